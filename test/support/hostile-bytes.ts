// Requests that no honest client sends, from a seed: broken HTTP, JSON, XML and UTF-8, in the forms
// that have brought down other servers.
import { Random } from '../../src/base/random.js';

const deep = (open: string, close: string, times: number, core = '1') => open.repeat(times) + core + close.repeat(times);

const NUMBERS = ['1e999', '-1e999', '9'.repeat(400), `1${'0'.repeat(5000)}`, '0x7f', '-0', 'NaN', '1e-400', '00', '9007199254740993'];
const TEXTS = [
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"__proto__"',
  '"constructor"',
  '"\\u0000"',
  '"\u202e\u009b"',
  `"${'x'.repeat(70_000)}"`,
  '""',
  'null',
  'true',
  '[]',
  '{}',
  '{"toString":1,"valueOf":1,"toJSON":1}',
  '[{"toString":1,"valueOf":null,"length":-1}]',
];
/** Bytes in latin1. */
const BAD_UTF8 = [
  '\xc0\xaf',
  '\xe0\x80\xaf',
  '\xf8\x88\x80\x80\x80',
  '\xed\xa0\x80',
  '\xff\xfe',
  '\xf4\x90\x80\x80',
  '\xc3',
  '\xef\xbf\xbe',
];
const METHODS = [
  'session.login_with_password',
  'VM.get_all_records',
  'event.from',
  'host.get_all',
  '__proto__',
  'constructor',
  'toString',
  '',
];

export class HostileBytes {
  readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)]!;
  }

  /** latin1 */
  noise(most: number): string {
    return Array.from({ length: this.random.below(most) }, () => String.fromCharCode(this.random.below(256))).join('');
  }

  json(): string {
    const { random } = this;
    switch (random.below(9)) {
      case 0:
        return deep('[', ']', this.pick([10, 200, 5000, 100_000]));
      case 1:
        return deep('{"a":', '}', this.pick([10, 200, 5000, 50_000]));
      case 2:
        return `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"jsonrpc":"2.0","id":1,"method":"${this.pick(METHODS)}","params":[]}`;
      case 3:
        return `{"jsonrpc":${this.pick(['"2.0"', '1', '"1.0"'])},"id":${this.pick(NUMBERS)},"method":${this.pick(TEXTS)},"params":[${this.pick(NUMBERS)}]}`;
      case 4:
        return `[${Array.from({ length: random.below(2000) }, () => '{"method":"host.get_all","params":["x"],"id":1}').join(',')}]`;
      case 5:
        return `{"method":"${this.pick(METHODS)}","params":[${Array.from({ length: random.below(40) }, () => this.pick(TEXTS)).join(',')}],"id":null}`;
      case 6:
        return `{"method":"${this.pick(BAD_UTF8)}","params":["${this.pick(BAD_UTF8)}"]}`;
      case 7:
        return this.cut(`{"jsonrpc":"2.0","method":"${this.pick(METHODS)}","params":["a","b",{"c":[1,2,3]}],"id":1}`);
      default:
        return this.noise(300);
    }
  }

  xml(): string {
    const call = (params: string) =>
      `<?xml version="1.0"?><methodCall><methodName>${this.pick(METHODS)}</methodName><params>${params}</params></methodCall>`;
    const value = (inner: string) => `<param><value>${inner}</value></param>`;
    switch (this.random.below(9)) {
      case 0:
        return call(value(deep('<array><data><value>', '</value></data></array>', this.pick([5, 100, 5000]))));
      case 1:
        return `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>${call(value('&b;'))}`;
      case 2:
        return `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${call(value('<string>&x;</string>'))}`;
      case 3:
        return call(value(`<${this.pick(['int', 'i4', 'i8', 'double', 'boolean', 'dateTime.iso8601'])}>${this.pick(NUMBERS)}</int>`));
      case 4:
        return call(
          value(
            `<struct>${Array.from({ length: this.random.below(500) }, () => '<member><name>__proto__</name><value>1</value></member>').join('')}</struct>`,
          ),
        );
      case 5:
        return call(
          value(`<string>&#${this.pick(['0', '55296', 'x110000', '99999999999', 'xD800', '-1'])};${this.pick(BAD_UTF8)}</string>`),
        );
      case 6:
        return this.cut(call(value('<string>a</string>').repeat(this.random.below(50))));
      case 7:
        return `${'<a '.repeat(3000)}${call('')}<![CDATA[${']'.repeat(500)}`;
      default:
        return `<${this.noise(300)}`;
    }
  }

  /** @returns a whole or broken request, in latin1 */
  http(paths: readonly string[]): string {
    const { random } = this;
    const body = this.pick([() => this.json(), () => this.xml(), () => this.noise(2000)])();
    const path = random.chance(80) ? this.pick(paths) : `/${this.noise(40).replaceAll(/[\r\n ]/g, '')}`;
    const head = (method: string, more: string) => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
    const length = Buffer.byteLength(body, 'latin1');
    switch (random.below(12)) {
      case 0:
        return `${head('POST', `Content-Length: ${length}\r\nTransfer-Encoding: chunked\r\n`)}0\r\n\r\n${body}`;
      case 1:
        return `${head('POST', `Content-Length: ${length}\r\nContent-Length: ${length + 5}\r\n`)}${body}`;
      case 2:
        return `${head('POST', 'Transfer-Encoding: chunked\r\n')}${this.pick(['fffffffffffffffff', '-1', '7;a=b', 'zz', '0x3'])}\r\n${body}\r\n0\r\n\r\n`;
      case 3:
        return `${head('POST', 'Transfer-Encoding: chunked\r\n')}${length.toString(16)}\r\n${body}\r\n0\r\nX: y\r\n\r\n`;
      case 4:
        return head(this.pick(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PATCH']), this.headers()).repeat(
          1 + random.below(30),
        );
      case 5:
        return `${head('POST', `Content-Length: ${this.pick(NUMBERS)}\r\n`)}${body}`;
      case 6:
        return head('GET', `X: ${'a'.repeat(random.below(100_000))}\r\n`);
      case 7:
        return head('GET', Array.from({ length: random.below(3000) }, (_, at) => `X-${at}: y\r\n`).join(''));
      case 8:
        return this.cut(`${head('POST', `Content-Length: ${length}\r\n`)}${body}`);
      case 9:
        return this.noise(3000);
      default:
        return `${head('POST', `Content-Length: ${length}\r\n${this.headers()}`)}${body}`;
    }
  }

  headers(): string {
    return this.pick([
      '',
      'Cookie: session_id=%00%ff\r\n',
      `Authorization: Basic ${Buffer.from(this.noise(60), 'latin1').toString('base64')}\r\n`,
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n',
      'Expect: 100-continue\r\n',
      'Content-Encoding: gzip\r\n',
      'Range: bytes=-1,0-99999999999999999999\r\n',
      'Origin: null\r\n',
      'Content-Type: text/xml; charset=\xff\r\n',
    ]);
  }

  cut(text: string): string {
    return text.slice(0, this.random.below(text.length));
  }
}
