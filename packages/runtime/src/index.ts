export { type Clock, every, FakeClock, realClock, type Timer } from './clock.ts';
export { type CoverageCounter, coverage } from './coverage.ts';
export {
  applyDaemonOption,
  applyLogOption,
  DAEMON_OPTIONS,
  type Daemon,
  type DaemonConfig,
  daemonConfig,
  daemonStart,
  daemonUsage,
  LOG_OPTIONS,
  unixctlPath,
} from './daemon.ts';
export {
  type DirectSockets,
  DirectWriter,
  directFd,
  directSockets,
  installDirectSockets,
} from './direct-sockets.ts';
export { absoluteIn, dirs } from './dirs.ts';
export { errnoOf, errorLine, HeddleError, messageOf, SystemError, strerror } from './errors.ts';
export { removeAtExit, removeExitFiles } from './exit-files.ts';
export { type FileLocks, fileLocks, installFileLocks } from './file-lock.ts';
export { FrequentSocket } from './frequent-socket.ts';
export { InactivityProbe } from './inactivity-probe.ts';
export { JsonStream } from './json-stream.ts';
export { logUsage } from './log-options.ts';
export { type MemoryReport, registerMemory } from './memory.ts';
export {
  listOptions,
  type OptionSpec,
  type ParsedLine,
  type ParsedOption,
  parseOptions,
  UsageError,
} from './options.ts';
export { runningPid } from './pidfile.ts';
export { RCONN, Reconnect, type ReconnectActions, type ReconnectOptions } from './reconnect.ts';
export {
  installRecordWriter,
  MAX_RECORD_BYTES,
  type RecordWriter,
  recordWriter,
} from './record-writer.ts';
export { rehearsalBudgetMs } from './rehearsal-budget.ts';
export {
  connectRemote,
  DSCP_DEFAULT,
  listenRemote,
  parseRemote,
  type Remote,
  type TlsFiles,
} from './remote.ts';
export { selfCommand } from './self.ts';
export { dieOfSignals, signalText } from './signals.ts';
export { print, printError } from './stdio.ts';
export {
  type DatagramSender,
  installUnixDatagram,
  setSyslogMethod,
  type UnixDatagram,
} from './syslog.ts';
export { ConnectError, type UnixctlReply, unixctlCall } from './unixctl-client.ts';
export { type UnixctlCommands, UnixctlError, type UnixctlHandler } from './unixctl-command.ts';
export { UnixctlServer } from './unixctl-server.ts';
export { type CapabilityKeeper, installCapabilityKeeper } from './user.ts';
export { HEDDLE_VERSION, OVS_VERSION, versionText } from './version.ts';
export { FACILITIES, type Facility, LEVELS, type Level, type Logger, vlog } from './vlog.ts';
export { WarpClock } from './warp-clock.ts';
