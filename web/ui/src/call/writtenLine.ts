import type { DraftLine } from "../wire/DraftLine";
import type { Word } from "../wire/Word";
import type { WrittenWords } from "../wire/WrittenWords";

/** Words below this probability are marked as doubtful. */
const DOUBTFUL = 0.5;

/** A piece of a line; pieces stand apart by a space. */
export type Piece = {
  text: string;
  /** The words that were spoken, where something else is written in their place. */
  spoken?: string;
  doubtful: boolean;
};

/** What a line says as one text: a person's, or the machine's as a protocol writes it. */
export function textOf({ words, written, edited }: DraftLine): string {
  return edited?.text ?? piecesOf(words, written).map(({ text }) => text).join(" ");
}

/** A line as a protocol writes it. */
export function piecesOf(words: readonly Word[], written: readonly WrittenWords[]): Piece[] {
  const pieces: Piece[] = [];
  const changes = [...written];
  for (let at = 0; at < words.length; ) {
    const change = changes[0]?.first === at ? changes.shift() : undefined;
    const end = at + Math.max(change?.count ?? 1, 1);
    const taken = words.slice(at, end);
    const spoken = taken.map((word) => word.text).join(" ");
    const doubtful = taken.some((word) => word.confidence < DOUBTFUL);
    pieces.push(change === undefined ? { text: spoken, doubtful } : { text: change.text, spoken, doubtful });
    at = end;
  }
  return pieces;
}
