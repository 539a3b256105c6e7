import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { xapiErrors } from './errors.js';
import { decodeJsonRpc, encodeJsonError, encodeJsonResult, wireToJson } from './json-rpc.js';
import { MalformedCall, WIRE_LIMITS, type Wire, WireDate, WireFloat } from './values.js';
import { decodeXmlRpc, encodeXmlError, encodeXmlResult, wireToXml } from './xml-rpc.js';

describe('JSON-RPC', () => {
  // The examples of xen-api's own wire-protocol document, in other words.
  it('answers 1.0 and 2.0 each in its form', () => {
    const v1 = decodeJsonRpc('{"method":"host.get_resident_VMs","params":["OpaqueRef:a","OpaqueRef:b"],"id":"xyz"}');
    expect(v1).toEqual({ version: '1.0', id: 'xyz', method: 'host.get_resident_VMs', params: ['OpaqueRef:a', 'OpaqueRef:b'] });
    expect(JSON.parse(String(encodeJsonResult(v1, ['OpaqueRef:c'])))).toEqual({ result: ['OpaqueRef:c'], error: null, id: 'xyz' });
    expect(JSON.parse(encodeJsonError(v1, xapiErrors.sessionInvalid('OpaqueRef:d')))).toEqual({
      result: null,
      error: ['SESSION_INVALID', 'OpaqueRef:d'],
      id: 'xyz',
    });
    const v2 = decodeJsonRpc('{"jsonrpc":"2.0","method":"a.b","params":[1,2.5,true,null,{"k":["v"]}],"id":3}');
    expect(v2.params).toEqual([1, new WireFloat(2.5), true, null, { k: ['v'] }]);
    expect(JSON.parse(String(encodeJsonResult(v2, 'x')))).toEqual({ jsonrpc: '2.0', result: 'x', id: 3 });
    expect(JSON.parse(encodeJsonError(v2, xapiErrors.sessionInvalid('r')))).toEqual({
      jsonrpc: '2.0',
      error: { code: 1, message: 'SESSION_INVALID', data: ['r'] },
      id: 3,
    });
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no method', '{"params":[],"id":1}'],
    ['no id', '{"method":"a","params":[]}'],
    ['id null', '{"method":"a","params":[],"id":null}'],
    ['id with a fraction', '{"method":"a","params":[],"id":1.5}'],
    ['1.0 without params', '{"method":"a","id":1}'],
    ['another version', '{"jsonrpc":"3.0","method":"a","params":[],"id":1}'],
  ])('refuses %s', (_what, body) => {
    expect(() => decodeJsonRpc(body)).toThrow(MalformedCall);
  });

  it('integers are numbers, floats keep their point, dates are strings', () => {
    expect(wireToJson([2 ** 40, new WireFloat(1), new WireFloat(0.5), new WireDate('20261125T02:38:31Z'), false, null])).toBe(
      '[1099511627776,1.0,0.5,"20261125T02:38:31Z",false,null]',
    );
  });
});

describe('XML-RPC', () => {
  it('reads every type, and text without one as a string', () => {
    const call = decodeXmlRpc(`<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params>
      <param><value>plain &amp; simple</value></param><param><value><string> s </string></value></param>
      <param><value><int>-3</int></value></param><param><value><i4>4</i4></value></param><param><value><boolean>1</boolean></value></param>
      <param><value><double>2.5</double></value></param><param><value><dateTime.iso8601>20261125T02:38:31</dateTime.iso8601></value></param>
      <param><value><array><data><value>x</value><value><array><data></data></array></value></data></array></value></param>
      <param><value><struct><member><name>k</name><value>v</value></member></struct></value></param><param><value><nil/></value></param>
      <param><value></value></param></params></methodCall>`);
    expect(call.method).toBe('a.b');
    expect(call.params).toEqual([
      'plain & simple',
      ' s ',
      -3,
      4,
      true,
      new WireFloat(2.5),
      new WireDate('20261125T02:38:31'),
      ['x', []],
      { k: 'v' },
      null,
      '',
    ]);
  });

  it("answers in xapi's envelope, integers as text", () => {
    expect(encodeXmlResult(5)).toContain('<name>Status</name><value>Success</value>');
    expect(encodeXmlResult(5)).toContain('<name>Value</name><value>5</value>');
    const failed = encodeXmlError(xapiErrors.handleInvalid('VM', 'a<b'));
    expect(failed).toContain('<name>Status</name><value>Failure</value>');
    expect(failed).toContain('<value>HANDLE_INVALID</value><value>VM</value><value>a&lt;b</value>');
    expect(wireToXml([new WireFloat(1), true, new WireDate('20261125T02:38:31Z')])).toBe(
      '<value><array><data><value><double>1.0</double></value><value><boolean>1</boolean></value>' +
        '<value><dateTime.iso8601>20261125T02:38:31Z</dateTime.iso8601></value></data></array></value>',
    );
  });

  const wrap = (inner: string) => `<methodCall><methodName>a</methodName><params><param>${inner}</param></params></methodCall>`;
  it.each([
    ['no XML', '{}'],
    ['an open tag', '<methodCall>'],
    ['no method', '<methodCall><params></params></methodCall>'],
    ['a document type', `<!DOCTYPE a [<!ENTITY b "c">]>${wrap('<value>&b;</value>')}`],
    ['an unknown entity', wrap('<value>&b;</value>')],
    ['an unknown type', wrap('<value><foo>1</foo></value>')],
    ['two values', wrap('<value>1</value><value>2</value>')],
    ['two types in a value', wrap('<value><int>1</int><int>2</int></value>')],
    ['a boolean of 2', wrap('<value><boolean>2</boolean></value>')],
    ['an integer with letters', wrap('<value><int>1x</int></value>')],
    ['an endless double', wrap('<value><double>Infinity</double></value>')],
    ['a member without a name', wrap('<value><struct><member><value>1</value></member></struct></value>')],
    ['text beside a type', wrap('<value>x<int>1</int></value>')],
    ['two methods', '<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>'],
  ])('refuses %s', (_what, body) => {
    expect(() => decodeXmlRpc(body)).toThrow(MalformedCall);
  });
});

describe('bounds, from both sides', () => {
  const nestedJson = (levels: number) => `{"method":"a","params":[${'['.repeat(levels)}${']'.repeat(levels)}],"id":1}`;
  const nestedXml = (levels: number) =>
    `<methodCall><methodName>a</methodName><params><param><value>${'<array><data><value>'.repeat(levels)}${'</value></data></array>'.repeat(levels)}</value></param></params></methodCall>`;
  it('depth', () => {
    expect(decodeJsonRpc(nestedJson(WIRE_LIMITS.depth)).params).toHaveLength(1);
    expect(() => decodeJsonRpc(nestedJson(WIRE_LIMITS.depth + 1))).toThrow(MalformedCall);
    expect(decodeXmlRpc(nestedXml(WIRE_LIMITS.depth - 1)).params).toHaveLength(1);
    expect(() => decodeXmlRpc(nestedXml(WIRE_LIMITS.depth))).toThrow(MalformedCall);
  });
  it('strings', () => {
    const json = (chars: number) => JSON.stringify({ method: 'a', params: ['x'.repeat(chars)], id: 1 });
    const xml = (chars: number) =>
      `<methodCall><methodName>a</methodName><params><param><value>${'x'.repeat(chars)}</value></param></params></methodCall>`;
    expect(decodeJsonRpc(json(WIRE_LIMITS.stringChars)).params).toHaveLength(1);
    expect(() => decodeJsonRpc(json(WIRE_LIMITS.stringChars + 1))).toThrow(MalformedCall);
    expect(decodeXmlRpc(xml(WIRE_LIMITS.stringChars)).params).toHaveLength(1);
    expect(() => decodeXmlRpc(xml(WIRE_LIMITS.stringChars + 1))).toThrow(MalformedCall);
  });
  it('values', () => {
    const json = (count: number) => JSON.stringify({ method: 'a', params: Array(count).fill(1), id: 1 });
    expect(decodeJsonRpc(json(WIRE_LIMITS.values)).params).toHaveLength(WIRE_LIMITS.values);
    expect(() => decodeJsonRpc(json(WIRE_LIMITS.values + 1))).toThrow(MalformedCall);
    const xml = (count: number) =>
      `<methodCall><methodName>a</methodName><params>${'<param><value/></param>'.repeat(count)}</params></methodCall>`;
    expect(decodeXmlRpc(xml(WIRE_LIMITS.values)).params).toHaveLength(WIRE_LIMITS.values);
    expect(() => decodeXmlRpc(xml(WIRE_LIMITS.values + 1))).toThrow(MalformedCall);
  });
});

describe('fuzz', () => {
  const onlyMalformed = (decode: () => unknown) => {
    try {
      decode();
    } catch (error) {
      if (!(error instanceof MalformedCall)) throw error;
    }
  };
  const seed = 20261125;

  it('any text is a call or malformed', () => {
    const pieces = [
      '<methodCall>',
      '</methodCall>',
      '<methodName>',
      '</methodName>',
      '<params>',
      '</params>',
      '<param>',
      '</param>',
    ].concat(
      ['<value>', '</value>', '<array><data>', '</data></array>', '<struct>', '</struct>', '<member>', '</member>', '<name>', '</name>'],
      [
        '<int>',
        '</int>',
        '<nil/>',
        '&lt;',
        '&#0;',
        '<![CDATA[',
        ']]>',
        '<!--',
        '-->',
        '<?x ?>',
        '<!DOCTYPE x>',
        'a',
        '1',
        '__proto__',
        '\u0000',
      ],
    );
    const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 })), (body) => {
        onlyMalformed(() => decodeXmlRpc(body));
        onlyMalformed(() => decodeJsonRpc(body));
      }),
      { seed, numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 20 }), (body) => {
        onlyMalformed(() => decodeJsonRpc(body));
      }),
      { seed, numRuns: 1000 },
    );
  });

  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const value = fc.letrec<{ value: Wire }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => new WireFloat(number === 0 ? 0 : number)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(text, tie('value'), { maxKeys: 4 }),
    ),
  })).value;

  it('XML carries any value there and back', () => {
    fc.assert(
      fc.property(value, (wire) => {
        const body = `<methodCall><methodName>a</methodName><params><param>${wireToXml(wire)}</param></params></methodCall>`;
        expect(wireToXml(decodeXmlRpc(body).params[0]!)).toBe(wireToXml(wire));
      }),
      { seed, numRuns: 500 },
    );
  });

  it('JSON carries any value there and back', () => {
    fc.assert(
      fc.property(value, (wire) => {
        const body = `{"method":"a","params":[${wireToJson(wire)}],"id":1}`;
        // A float without a fraction comes back as the integer that JSON makes of it.
        expect(JSON.parse(wireToJson(decodeJsonRpc(body).params[0]!))).toEqual(JSON.parse(wireToJson(wire)));
      }),
      { seed, numRuns: 500 },
    );
  });
});

it('an answer of many records is the same text however often it is asked for', () => {
  const records = Object.freeze(
    Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`OpaqueRef:${index}`, { name: `é ${index}` }])),
  );
  for (const version of ['1.0', '2.0'] as const) {
    for (let time = 0; time < 2; time++) {
      const { result } = JSON.parse(String(encodeJsonResult({ version, id: time }, records))) as { result: unknown };
      expect(result).toEqual(records);
    }
  }
});
