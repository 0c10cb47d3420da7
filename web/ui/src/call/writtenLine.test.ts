import { expect, it } from "vitest";
import type { DraftLine } from "../wire/DraftLine";
import { piecesOf, textOf } from "./writtenLine";

const words = (text: string, doubted = "") =>
  text.split(" ").map((word) => ({ text: word, start_ms: 0, end_ms: 0, confidence: word === doubted ? 0.2 : 0.9 }));

it("writes what stands in place of words, and keeps these", () => {
  const spoken = words("По статье сто пять, часть вторая. Да.", "пять,");
  const written = [
    { first: 1, count: 3, text: "ст. 105," },
    { first: 4, count: 2, text: "ч. 2." },
  ];
  expect(piecesOf(spoken, written)).toEqual([
    { text: "По", doubtful: false },
    { text: "ст. 105,", spoken: "статье сто пять,", doubtful: true },
    { text: "ч. 2.", spoken: "часть вторая.", doubtful: false },
    { text: "Да.", doubtful: false },
  ]);
});

it("is the words alone where nothing is written otherwise", () => {
  expect(piecesOf(words("Суд идёт."), [])).toEqual([
    { text: "Суд", doubtful: false },
    { text: "идёт.", doubtful: false },
  ]);
});

it("says what a person wrote, and what the machine wrote when that was taken back", () => {
  const line: DraftLine = {
    id: "l", participant: "p", start_ms: 0, end_ms: 900, text: "сто пять", language: "ru", confidence: 1, weak: false,
    words: ["сто", "пять"].map((text) => ({ text, start_ms: 0, end_ms: 0, confidence: 1 })),
    written: [{ first: 0, count: 2, text: "105" }],
    edited: null,
    interprets: null,
  };
  const edited = (text: string | null): DraftLine => ({ ...line, edited: { text, by: "p", at: "", revision: 1 } });
  expect([line, edited("106"), edited(null)].map(textOf)).toEqual(["105", "106", "105"]);
});
