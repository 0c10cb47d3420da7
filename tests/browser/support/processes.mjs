import { readFile, readdir } from "node:fs/promises";

/** The kernel counts processor time in hundredths of a second on every platform (`USER_HZ`). */
const TICKS_A_SECOND = 100;

/** Seconds of processor time of a process or thread (proc(5), `stat`), by its folder in /proc. */
async function seconds(folder) {
  const stat = await readFile(`${folder}/stat`, "utf8");
  // After the name, which may have spaces: field 3 is the first.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Processor time that a server's own recorder threads and the processes beside it have used. */
export async function recorderSeconds(pid) {
  const used = { threads: 0, muxing: 0, checking: 0, server: await seconds(`/proc/${pid}`) };
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const name = await readFile(`${folder}/comm`, "utf8").catch(() => "");
    if (name.startsWith("recorder-")) used.threads += await seconds(folder);
    const children = await readFile(`${folder}/children`, "utf8").catch(() => "");
    for (const child of children.split(" ").filter((id) => id.trim() !== "")) {
      const environment = await readFile(`/proc/${child}/environ`, "utf8").catch(() => "");
      const task = /(?:^|\0)OTYRYS_TASK=(\w+)/.exec(environment)?.[1];
      if (task === "muxing" || task === "checking") used[task] += await seconds(`/proc/${child}`);
    }
  }
  return used;
}
