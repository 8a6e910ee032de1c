export { type Container, Docker, type DockerOptions } from './docker.ts';
export { Host, type PingOptions, type PingResult, parsePing } from './host.ts';
export { Instance, type InstanceOptions, REPOSITORY } from './instance.ts';
export { isolate, requireRoot } from './isolate.ts';
export {
  CommandError,
  collect,
  delay,
  eventually,
  type RunOptions,
  type RunResult,
  run,
  runOk,
  start,
} from './process.ts';
export { Scope } from './scope.ts';
export { silence, Wire } from './wire.ts';
