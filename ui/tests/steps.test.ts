import { expect, it } from "vitest";
import { asText, build, emptyEdits, expertAsks, kindsOf, pick, pickable, readEdits } from "../src/pure/steps";
import type { Assignment, Edits } from "../src/types";

const assignment = (change: Partial<Assignment["item"]> = {}): Assignment => ({
  id: 1,
  fence: 1,
  lease_until: 0,
  step: "choice",
  item: { id: 7, question: "What happens?", options: null, domain: "d", asset_id: 1, distractor: null, about: null, reason: null, history: [], ...change },
  guideline_version: 1,
  draft: null,
  proposals: [],
  resumed: false,
  is_calibration: false,
});
const missing = (step: string, edits: Partial<Edits>, item = assignment(), isVideo = true): string[] => {
  const built = build(step, { ...emptyEdits(), ...edits }, item, isVideo);
  return "missing" in built ? built.missing.map(({ field }) => field) : [];
};
const payload = (step: string, edits: Partial<Edits>, item = assignment(), isVideo = true): unknown => {
  const built = build(step, { ...emptyEdits(), ...edits }, item, isVideo);
  return "payload" in built ? built.payload : built.missing;
};

it("gives the wording only where the question is fixable, and the reason only where it is invalid", () => {
  const entered = { question: "What really happens?", reason: "leading" };
  expect(payload("question_check", { ...entered, verdict: "valid" })).toMatchObject({ question: null, reason: null });
  expect(payload("question_check", { ...entered, verdict: "fixable" })).toMatchObject({ question: entered.question, reason: null });
  expect(payload("question_check", { ...entered, verdict: "invalid" })).toMatchObject({ question: null, reason: "leading" });
});

it("says what is missing of each step", () => {
  expect(missing("question_check", {})).toEqual(["verdict"]);
  expect(missing("question_check", { verdict: "fixable", question: "What happens?" })).toEqual(["question"]);
  expect(missing("question_check", { verdict: "invalid" })).toEqual(["reason"]);
  expect(missing("question_check", { verdict: "invalid", reason: "other" })).toEqual(["note"]);
  expect(missing("blind_answer", { answer: "  " })).toEqual(["answer", "evidence"]);
  expect(missing("blind_answer", { answer: "x" }, assignment(), false)).toEqual([]);
  expect(missing("compare", { proposal_id: 4 })).toEqual(["same_meaning"]);
  expect(missing("distractor", {})).toEqual(["verdict"]);
  expect(missing("choice", {})).toEqual(["choice"]);
  expect(missing("review", { verdict: "rework" })).toEqual(["reasons"]);
  expect(missing("review", { verdict: "accept" })).toEqual([]);
  expect(missing("expert", {}, assignment({ about: "blind_answer" }))).toEqual(["answer", "rationale", "reason"]);
  expect(missing("unheard_of", {})).toEqual(["step"]);
});

it("asks the expert for what the people were asked", () => {
  const asked = (about: string): string => expertAsks(assignment({ about }));
  expect(["choice", "distractor", "question_check", "blind_answer"].map(asked)).toEqual(["choice", "verdict", "verdict", "answer"]);
});

it("sends nothing for the expert but what was asked", () => {
  const entered = { answer: "left over", choice: 1, verdict: "valid", rationale: "seen", reason: "disagreement" };
  const options = ["a", "b"];
  expect(payload("expert", entered, assignment({ options, about: "choice" }))).toMatchObject({ answer: null, choice: 1, verdict: null });
  expect(payload("expert", { ...entered, verdict: "invalid" }, assignment({ options, about: "choice" }))).toMatchObject({
    choice: null,
    verdict: "invalid",
  });
  expect(payload("expert", { ...entered, verdict: "fixable" }, assignment({ about: "question_check" }))).toMatchObject({
    answer: "left over",
    verdict: "fixable",
  });
  expect(missing("expert", { ...entered, verdict: "fixable", answer: "" }, assignment({ about: "question_check" }))).toEqual(["answer"]);
});

it("compares with every answer that was shown, and with no proposal where there is none", () => {
  const edits = { ...emptyEdits(), others: [{ submission_id: 8, same_meaning: true }] };
  expect(build("compare", edits, assignment(), true, [8, 9])).toEqual({
    missing: [{ field: "others", message: expect.any(String) }],
  });
  expect(build("compare", edits, assignment(), true, [8])).toMatchObject({
    payload: { proposal_id: null, same_meaning: true, others: edits.others },
  });
});

it("picks by digit what the step offers", () => {
  expect(pick("question_check", 1)).toEqual({ verdict: "fixable" });
  expect(pick("compare", 0)).toEqual({ same_meaning: true });
  expect(pick("choice", 2)).toEqual({ choice: 2 });
  expect(pick("expert", 2, "distractor")).toEqual({ verdict: "nonsense" });
  expect(pickable("choice", assignment({ options: ["a", "b"] }))).toBe(2);
  expect(pickable("blind_answer", assignment())).toBe(0);
});

it("reads a stored draft again, and takes nothing strange from it", () => {
  const edits: Edits = { ...emptyEdits(), answer: "x", evidence: { start: 1, end: 3 }, boxes: [{ frame: 2, box: [0, 0, 5, 5] }], cites: [4] };
  expect(readEdits(JSON.parse(JSON.stringify(edits)))).toEqual(edits);
  expect(readEdits({ answer: 5, boxes: "no", unsure: 1, evidence: "x", choice: "1", evil: true })).toEqual(emptyEdits());
  for (const body of [null, undefined, 3, "text", []]) expect(readEdits(body)).toEqual(emptyEdits());
});

it("writes the work as text, with what was entered only", () => {
  expect(asText("blind_answer", { ...emptyEdits(), answer: "two", evidence: { start: 1, end: 3 } }, assignment())).toBe(
    'item 7, blind_answer\nWhat happens?\nanswer: two\nevidence: {"start":1,"end":3}',
  );
});

it("offers steps of one title as one kind of work", () => {
  const kinds = kindsOf(["blind_answer", "choice", "ceiling", "of_a_newer_server"]);
  expect([...kinds.keys()]).toEqual(["Answer in your own words", "Choose the answer", "of_a_newer_server"]);
  expect(kinds.get("Choose the answer")).toEqual(["choice", "ceiling"]);
});
