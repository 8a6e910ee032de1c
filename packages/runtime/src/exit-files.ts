/** Files to remove when the process ends, by exit or by a signal, as long as they are ours. */
import { statSync, unlinkSync } from 'node:fs';

const files = new Map<string, number>();
let hooked = false;

export function removeAtExit(path: string): void {
  if (!hooked) process.on('exit', removeExitFiles);
  hooked = true;
  files.set(path, statSync(path).ino);
}

export function removeExitFiles(): void {
  for (const [path, inode] of files) {
    try {
      // Another daemon may have put its own in this place.
      if (statSync(path).ino === inode) unlinkSync(path);
    } catch {
      // It is gone already.
    }
  }
  files.clear();
}
