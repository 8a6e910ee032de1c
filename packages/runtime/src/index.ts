export { type Clock, FakeClock, realClock, type Timer } from './clock.ts';
export { type CoverageCounter, coverage } from './coverage.ts';
export {
  applyDaemonOption,
  applyLogOption,
  DAEMON_OPTIONS,
  type Daemon,
  type DaemonConfig,
  daemonConfig,
  daemonStart,
  LOG_OPTIONS,
  runningPid,
  unixctlPath,
} from './daemon.ts';
export { absoluteIn, dirs } from './dirs.ts';
export { errnoOf, HeddleError, messageOf, SystemError, strerror } from './errors.ts';
export { type FileLocks, fileLocks, installFileLocks } from './file-lock.ts';
export { JsonStream } from './json-stream.ts';
export { type MemoryReport, registerMemory } from './memory.ts';
export {
  formatOptions,
  type OptionSpec,
  type ParsedLine,
  type ParsedOption,
  parseOptions,
  UsageError,
} from './options.ts';
export { connectRemote, listenRemote, parseRemote, type Remote, type TlsFiles } from './remote.ts';
export { type UnixctlReply, unixctlCall } from './unixctl-client.ts';
export { UnixctlError, type UnixctlHandler, UnixctlServer } from './unixctl-server.ts';
export { HEDDLE_VERSION, OVS_VERSION, versionText } from './version.ts';
export { FACILITIES, type Facility, LEVELS, type Level, type Logger, vlog } from './vlog.ts';
