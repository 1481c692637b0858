// IndexedDB behind a few promises: the queue of submissions and the drafts of this machine. Where the browser refuses
// IndexedDB (private windows), everything works from memory and `persistent` is false, which the page says.
import type { Operation, OperationStore } from "../pure/queue";

const NAME = "perceptlm-annotate";
const STORES = { operations: "client_op_id", drafts: "assignment_id" } as const;
type StoreName = keyof typeof STORES;

export interface LocalDraft {
  assignment_id: number;
  user_id: number;
  step: string;
  rev: number;
  body: unknown;
  dirty: boolean;
}

let opening: Promise<IDBDatabase | null> | null = null;
const memory: Record<StoreName, Map<unknown, unknown>> = { operations: new Map(), drafts: new Map() };
export const storage = { persistent: true };

function open(): Promise<IDBDatabase | null> {
  opening ??= new Promise((resolve) => {
    const give = (database: IDBDatabase | null): void => {
      storage.persistent = database !== null;
      resolve(database);
    };
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => {
        for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
      };
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        give(request.result);
      };
      request.onerror = () => give(null);
      request.onblocked = () => give(null);
    } catch {
      give(null);
    }
  });
  return opening;
}

async function inStore<T>(
  name: StoreName,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
  otherwise: (store: Map<unknown, unknown>) => T,
): Promise<T> {
  const database = await open();
  if (!database) return otherwise(memory[name]);
  return new Promise((resolve, reject) => {
    // "strict": the promise resolves when the bytes are on disk, so that what we call queued survives a crash.
    const transaction = database.transaction(name, mode, { durability: "strict" });
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error ?? new Error("IndexedDB failed"));
    transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB gave up"));
  });
}

const put = async (name: StoreName, value: Record<string, unknown>): Promise<void> => {
  await inStore<unknown>(
    name,
    "readwrite",
    (store) => store.put(value) as IDBRequest<unknown>,
    (map) => map.set(value[STORES[name]], value),
  );
};

const remove = async (name: StoreName, key: IDBValidKey): Promise<void> => {
  await inStore<unknown>(
    name,
    "readwrite",
    (store) => store.delete(key) as IDBRequest<unknown>,
    (map) => map.delete(key),
  );
};

export const operations: OperationStore = {
  all: () =>
    inStore<Operation[]>(
      "operations",
      "readonly",
      (store) => store.getAll() as IDBRequest<Operation[]>,
      (map) => [...map.values()] as Operation[],
    ),
  put: (operation) => put("operations", { ...operation }),
  remove: (id) => remove("operations", id),
};

export const drafts = {
  get: (assignmentId: number): Promise<LocalDraft | undefined> =>
    inStore<LocalDraft | undefined>(
      "drafts",
      "readonly",
      (store) => store.get(assignmentId) as IDBRequest<LocalDraft | undefined>,
      (map) => map.get(assignmentId) as LocalDraft | undefined,
    ),
  put: (draft: LocalDraft): Promise<void> => put("drafts", { ...draft }),
  remove: (assignmentId: number): Promise<void> => remove("drafts", assignmentId),
};
