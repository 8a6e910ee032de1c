/**
 * Small servers of FTP (RFC 959, RFC 2428) and TFTP (RFC 1350) on their usual ports, for tests. Each
 * serves one file, whatever is asked for; the FTP server also lists it.
 */
import { createSocket } from 'node:dgram';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const FILE = Buffer.alloc(100_000, 'what a server has\n');
const BLOCK = 512;

/** How data is to go to the client. */
type Data = () => Promise<Socket>;

/** Without what an IPv6 socket writes before an IPv4 address. */
function ownAddress(control: Socket): string {
  return control.localAddress!.replace('::ffff:', '');
}

function dial(host: string, port: number, control: Socket): Data {
  return () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, localAddress: ownAddress(control) });
      socket.once('connect', () => resolve(socket)).once('error', reject);
    });
}

async function listen(control: Socket): Promise<{ data: Data; port: number }> {
  const server = createServer();
  const arrived = new Promise<Socket>((resolve) => {
    server.once('connection', (socket) => {
      server.close();
      resolve(socket);
    });
  });
  const ready = new Promise((done) => server.once('listening', done));
  server.listen(0, ownAddress(control));
  await ready;
  return { data: () => arrived, port: (server.address() as AddressInfo).port };
}

class Session {
  readonly #control: Socket;
  #data: Data | undefined;

  constructor(control: Socket) {
    this.#control = control;
    this.#say('220 ready');
  }

  #say(line: string): void {
    this.#control.write(`${line}\r\n`);
  }

  async handle(line: string): Promise<void> {
    const [word = '', rest = ''] = line.split(/ (.*)/s);
    switch (word.toUpperCase()) {
      case 'USER':
        return this.#say('230 come in');
      case 'TYPE':
      case 'NOOP':
        return this.#say('200 fine');
      case 'PORT': {
        const n = rest.split(',').map(Number);
        this.#data = dial(n.slice(0, 4).join('.'), n[4]! * 256 + n[5]!, this.#control);
        return this.#say('200 fine');
      }
      case 'EPRT': {
        const [, , host, port] = rest.split(rest[0]!);
        this.#data = dial(host!, Number(port), this.#control);
        return this.#say('200 fine');
      }
      case 'PASV':
      case 'EPSV':
        return this.#passive(word.toUpperCase());
      case 'RETR':
      case 'NLST':
        return this.#send(word.toUpperCase() === 'RETR' ? FILE : Buffer.from('file\r\n'));
      case 'QUIT':
        this.#say('221 bye');
        this.#control.end();
        return;
      default:
        return this.#say('502 what?');
    }
  }

  async #passive(word: string): Promise<void> {
    const { data, port } = await listen(this.#control);
    this.#data = data;
    if (word === 'EPSV') return this.#say(`229 Entering Extended Passive Mode (|||${port}|)`);
    const numbers = [...ownAddress(this.#control).split('.'), port >> 8, port & 255];
    this.#say(`227 Entering Passive Mode (${numbers.join(',')}).`);
  }

  async #send(bytes: Buffer): Promise<void> {
    this.#say('150 here it comes');
    try {
      const socket = await this.#data!();
      await new Promise<void>((done) => socket.end(bytes, done));
      this.#say('226 done');
    } catch {
      this.#say('425 no data connection');
    }
  }
}

createServer((control) => {
  const session = new Session(control);
  let text = '';
  let last = Promise.resolve();
  control.setEncoding('latin1').on('error', () => {});
  control.on('data', (piece: string) => {
    const lines = (text + piece).split('\r\n');
    text = lines.pop()!;
    for (const line of lines) last = last.then(() => session.handle(line));
  });
}).listen({ host: '::', port: 21 });

/** Blocks go from a port of their own, each when the one before was acknowledged. */
function serveFile(to: { address: string; port: number }): void {
  const socket = createSocket('udp6');
  const send = (block: number): void => {
    const header = Buffer.alloc(4);
    header.writeUInt16BE(3, 0);
    header.writeUInt16BE(block, 2);
    const part = FILE.subarray((block - 1) * BLOCK, block * BLOCK);
    socket.send(Buffer.concat([header, part]), to.port, to.address);
  };
  socket.on('message', (message) => {
    const block = message.readUInt16BE(2);
    if (block * BLOCK > FILE.length) socket.close();
    else send(block + 1);
  });
  send(1);
}

const requests = createSocket('udp6');
requests.on('message', (message, from) => {
  if (message.readUInt16BE(0) === 1) serveFile(from);
});
requests.bind(69);
