import i18next, { type TFunction } from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import en from "./en.json";
import { formatClock, formatTime } from "./format";
import kk from "./kk.json";
import { preferredLanguage } from "./language";
import ru from "./ru.json";

describe("formatting", () => {
  let words: (language: string) => TFunction;

  beforeAll(async () => {
    const i18n = i18next.createInstance();
    await i18n.init({
      lng: "kk",
      resources: { kk: { translation: kk }, ru: { translation: ru }, en: { translation: en } },
      interpolation: { escapeValue: false },
    });
    words = (language) => i18n.getFixedT(language);
  });

  it("shows the court's own time in each language, wherever the reader is", () => {
    const at = "2026-11-23T10:05:00+05:00";
    expect(formatTime(at, words("kk"))).toBe("2026 жылғы 23 қараша, 10:05");
    expect(formatTime(at, words("ru"))).toBe("23 ноября 2026 г., 10:05");
    expect(formatTime(at, words("en"))).toBe("23 November 2026, 10:05");
  });

  it("shows a time in UTC as Kazakhstan's", () => {
    expect(formatTime("2026-11-23T20:05:00Z", words("en"))).toBe("24 November 2026, 01:05");
  });

  it("leaves alone what is no time", () => {
    expect(formatTime("soon", words("en"))).toBe("soon");
  });

  it("shows the record's clock", () => {
    expect(formatClock(0)).toBe("0:00");
    expect(formatClock(65_900)).toBe("1:05");
    expect(formatClock(3_723_000)).toBe("1:02:03");
  });
});

describe("the language of the pages", () => {
  it("is the first of the browser's that there is, else Kazakh", () => {
    expect(preferredLanguage(["de-DE", "ru-RU", "en"])).toBe("ru");
    expect(preferredLanguage(["de", "fr"])).toBe("kk");
  });
});
