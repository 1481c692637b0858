// What a control needs to know of the entry that it changes.

export interface Field<V> {
  /** Its name, by which the page finds it again. */
  field: string;
  value: V;
  /** `label` joins changes of one kind into one undo step. */
  set(value: V, label?: string): void;
  /** What is missing or was refused; "" if nothing. */
  error?: string;
  disabled?: boolean;
}
