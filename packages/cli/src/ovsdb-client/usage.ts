import { daemonUsage } from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { logUsage } from '@heddle/runtime/log-options';
import { PKI_USAGE } from '../tls/usage.ts';
import { COMMANDS } from './commands.ts';
import { PROGRAM } from './program.ts';

export function usage(): string {
  const commands = COMMANDS.map(({ name, usage: args, help }) => {
    const lines = help.split('\n').map((line) => `    ${line}\n`);
    return `\n  ${name} ${args}\n${lines.join('')}`;
  });
  return `${PROGRAM}: Open vSwitch database JSON-RPC client
usage: ${PROGRAM} [OPTIONS] COMMAND [ARG...]

Valid commands are:
${commands.join('')}
The default SERVER is ${dirs.defaultRemote}.
The default DATABASE is Open_vSwitch.

Active SERVER connection methods:
  tcp:HOST:PORT           PORT at remote HOST
  ssl:HOST:PORT           SSL PORT at remote HOST
  unix:FILE               Unix domain socket named FILE
Passive SERVER connection methods:
  ptcp:PORT[:IP]          listen to TCP PORT on IP
  pssl:PORT[:IP]          listen for SSL on PORT on IP
  punix:FILE              listen on Unix domain socket FILE
${PKI_USAGE}
Output formatting options:
  -f, --format=FORMAT         set output formatting to FORMAT
                              ("table", "list", "html", "csv", or "json")
  -d, --data=FORMAT           set table cell output formatting to
                              FORMAT ("string", "bare", or "json")
  --no-headings               omit table heading row
  --pretty                    pretty-print JSON in output
  --bare                      equivalent to "--format=list --data=bare --no-headings"
  --max-column-width=N        cut cells of "table" output to N columns
  --timestamp                 timestamp "monitor" output
${daemonUsage(PROGRAM)}${logUsage(PROGRAM)}
Other options:
  -t, --timeout=SECS          give up after SECS seconds
  --no-leader-only            accept any server of a cluster
  --force                     with restore, proceed although schemas differ
  -h, --help                  display this help message
  -V, --version               display version information
`;
}
