import assert from "node:assert/strict";
import { until } from "./wait.mjs";

const LANGUAGES = ["kk", "ru", "en"];
/** Letters that only the language has; English has none but Latin ones. */
const LETTERS = { kk: /[әғқңөұүһі]/i, ru: /[а-яё]/i, en: /^[^а-яёәғқңөұүһі]*$/i };

/** Sees the message in each language, in words of that language, and different in each. */
export async function explainsItself(person, testId) {
  await person.sees(testId);
  const texts = [];
  for (const language of LANGUAGES) {
    await person.press(`language-${language}`);
    const message = person.by(testId).first();
    const alert = (await message.getByRole("alert").count()) > 0 ? message.getByRole("alert").first() : message;
    await until(`${testId} in ${language}`, async () => {
      const text = await alert.innerText();
      return text.trim().length > 20 && LETTERS[language].test(text.replaceAll("\n", " ")) && !texts.includes(text);
    });
    texts.push(await alert.innerText());
    assert.equal(await person.page.locator("html").getAttribute("lang"), language);
  }
  return texts;
}
