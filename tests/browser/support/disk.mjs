import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./program.mjs";

/** Whether this user may mount a disk in a namespace of their own. */
export async function mayMountDisks() {
  return (await run("unshare", ["--mount", "true"])).code === 0;
}

/** A disk of a size of its own (tmpfs) under a server's folder, which only this server sees. */
export class Disk {
  constructor(dir, size) {
    this.dir = dir;
    this.size = size;
  }

  /** The command that runs another one with the disk. It has the process id of that one. */
  async before() {
    await mkdir(this.dir, { recursive: true });
    const mount = `mount -t tmpfs -o size=${this.size} otyrys "$0" && exec "$@"`;
    return ["unshare", "--mount", "sh", "-c", mount, this.dir];
  }

  /** Who sees it. */
  seenBy(program) {
    this.pid = program.child.pid;
    this.root = `/proc/${this.pid}/root`;
  }

  /** Runs a command that sees the disk. */
  async within(...command) {
    return run("nsenter", ["--target", String(this.pid), "--mount", ...command]);
  }

  async must(...command) {
    const { code, output } = await this.within(...command);
    if (code !== 0) throw new Error(`${command.join(" ")}: ${output}`);
    return output;
  }

  /** Leaves no room on it; gives when that was. */
  async fill() {
    await this.within("dd", "if=/dev/zero", `of=${join(this.dir, "filler")}`, "bs=64k");
    // What is left of the last block.
    await this.within("dd", "if=/dev/zero", `of=${join(this.dir, "filler-2")}`, "bs=512");
    return Date.now();
  }

  async empty() {
    await this.must("rm", "-f", join(this.dir, "filler"), join(this.dir, "filler-2"));
  }

  /** From now on nothing new can be opened for writing below a folder of it. */
  async makeReadOnly(folder) {
    const path = join(this.dir, folder);
    await this.must("mount", "--bind", path, path);
    await this.must("mount", "-o", "remount,bind,ro", path);
  }

  async makeWritable(folder) {
    await this.must("umount", join(this.dir, folder));
  }

  /** Changes a byte of a file, as a disk does that rots. */
  async flip(path, offset, byte) {
    const octal = (byte ^ 1).toString(8).padStart(3, "0");
    await this.must("sh", "-c", `printf '\\${octal}' | dd of="$0" bs=1 seek=${offset} conv=notrunc`, path);
  }
}
