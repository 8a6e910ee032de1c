/**
 * Advisory locks as fcntl(2) has them: upstream's tools tell by the lock on a pidfile whether its
 * daemon lives. Node has no such call; the package that has brings it here.
 */
export interface FileLocks {
  /** Write-locks the whole file; returns the pid that holds it when another process does. */
  lock(fd: number): number | undefined;
  /** The pid of the process that holds a lock on the file, or undefined. */
  holder(fd: number): number | undefined;
}

let installed: FileLocks | undefined;

export function installFileLocks(locks: FileLocks): void {
  installed = locks;
}

/** undefined where no package has brought any. */
export function fileLocks(): FileLocks | undefined {
  return installed;
}
