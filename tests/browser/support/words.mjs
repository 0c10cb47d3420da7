const ENGLISH_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** The words of a text as they are compared: without case, punctuation and the dots of ё. */
export function words(text) {
  return text
    .toLowerCase()
    .replaceAll("ё", "е")
    .replaceAll(/[0-9]/g, (digit) => ` ${ENGLISH_DIGITS[digit]} `)
    .replaceAll(/['’]/g, "")
    .split(/[^\p{L}\p{M}]+/u)
    .filter((word) => word !== "");
}

/** Levenshtein distance in words: substitutions, deletions and insertions. */
export function wordErrors(spoken, drafted) {
  const [reference, hypothesis] = [words(spoken), words(drafted)];
  let row = Array.from({ length: hypothesis.length + 1 }, (_, index) => index);
  for (const [at, word] of reference.entries()) {
    const next = [at + 1];
    for (const [other, heard] of hypothesis.entries()) {
      next.push(Math.min(row[other] + (word === heard ? 0 : 1), row[other + 1] + 1, next[other] + 1));
    }
    row = next;
  }
  return { errors: row[hypothesis.length], words: reference.length };
}

/** Word error rate over several pairs of what was spoken and what was drafted. */
export function wordErrorRate(pairs) {
  const counted = pairs.map(([spoken, drafted]) => wordErrors(spoken, drafted));
  const sum = (what) => counted.reduce((total, one) => total + one[what], 0);
  return sum("errors") / sum("words");
}
