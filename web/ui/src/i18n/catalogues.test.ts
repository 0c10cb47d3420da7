import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "./en.json";
import kk from "./kk.json";
import ru from "./ru.json";

type Tree = { readonly [key: string]: string | Tree };

function entries(tree: Tree, prefix = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [[prefix + key, value] as [string, string]] : entries(value, `${prefix}${key}.`),
  );
}

const CATALOGUES = { kk: new Map(entries(kk)), ru: new Map(entries(ru)), en: new Map(entries(en)) };

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

const CODE = sources(join(import.meta.dirname, ".."))
  .map((path) => readFileSync(path, "utf8"))
  .join("\n");

/** Whether the code asks for the key itself, or for a pattern that it fits. */
function isUsed(key: string): boolean {
  if (CODE.includes(`"${key}"`) || CODE.includes(`.${key}`)) return true;
  return [...CODE.matchAll(/t\(`([^`]+)`/g)].some(([, pattern = ""]) => {
    const fixed = pattern.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${fixed.join("[a-z0-9_]+")}$`).test(key);
  });
}

describe.each(["ru", "en"] as const)("catalogue %s", (language) => {
  it("has exactly the keys of the Kazakh one", () => {
    expect([...CATALOGUES[language].keys()].sort()).toEqual([...CATALOGUES.kk.keys()].sort());
  });

  it("fills in the same values as the Kazakh one", () => {
    const blanks = (text: string | undefined) => [...(text ?? "").matchAll(/\{\{\w+\}\}/g)].map(String).sort();
    for (const [key, text] of CATALOGUES.kk) {
      expect(blanks(CATALOGUES[language].get(key)), key).toEqual(blanks(text));
    }
  });
});

describe.each(["kk", "ru", "en"] as const)("catalogue %s", (language) => {
  it("has no empty text", () => {
    const empty = [...CATALOGUES[language]].filter(([, text]) => text.trim() === "");
    expect(empty).toEqual([]);
  });
});

describe("the Kazakh catalogue", () => {
  it("is not a copy of the Russian one", () => {
    // Words and names that both languages write alike.
    const alike =
      /^(app\.name|role\.(judge|prosecutor)|place\.browser|source\.screen|room\.screenOf|selftest\.(camera|microphone)|registry\.(file|hash))$/;
    const same = [...CATALOGUES.kk.keys()].filter((key) => CATALOGUES.ru.get(key) === CATALOGUES.kk.get(key));
    expect(same.filter((key) => !alike.test(key))).toEqual([]);
  });
});

describe("keys", () => {
  it("are all asked for somewhere", () => {
    expect([...CATALOGUES.kk.keys()].filter((key) => !isUsed(key))).toEqual([]);
  });
});
