import packet, { type Packet } from 'dns-packet';
import { cutAnswer, encodeAnswer, localAnswer, nameError, serverFailure, udpLimit } from './answer';
import { framed, unframed } from './framing';

type Type = 'A' | 'AAAA' | 'PTR' | 'MX';
type Decoded = packet.DecodedPacket & { rcode: string; flag_tc: boolean };

const many = Array.from({ length: 60 }, (_, last) => `10.0.9.${last}`);
const known: Record<string, string[]> = {
  web: ['10.0.0.2', 'fd00::2', '10.0.0.3'],
  'db.net': ['10.0.0.4'],
  many,
};
const named: Record<string, string> = {
  '10.0.0.4': 'db.net',
  'fd00:0000:0000:0000:0000:0000:0000:0002': 'web.net',
};
const names = {
  addresses: (name: string) => known[name.toLowerCase()],
  nameOf: (address: string) => named[address],
};
const query = (name: string, type: Type, more: Partial<Packet> = {}): Packet =>
  packet.decode(
    packet.encode({
      type: 'query',
      id: 77,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type, class: 'IN' }],
      ...more,
    }),
  );
const edns = (udpPayloadSize: number): Partial<Packet> => ({
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
});
const sent = (answer: Packet | undefined, limit = 512): Decoded | undefined =>
  answer && (packet.decode(encodeAnswer(answer, limit)) as Decoded);
const ask = (name: string, type: Type, turn = 0) => {
  const decoded = sent(localAnswer(query(name, type), names, turn));
  return (
    decoded && {
      id: decoded.id,
      rcode: decoded.rcode,
      data: decoded.answers?.map((one) => 'data' in one && one.data),
    }
  );
};

it('answers names with all their addresses of a family, in turns', () => {
  expect(ask('web', 'A')).toEqual({ id: 77, rcode: 'NOERROR', data: ['10.0.0.2', '10.0.0.3'] });
  expect(ask('WEB', 'A', 1)?.data).toEqual(['10.0.0.3', '10.0.0.2']);
  expect(ask('web.', 'AAAA')?.data).toEqual(['fd00::2']);
});

it('has no other records for a known name, and leaves unknown ones to others', () => {
  for (const type of ['AAAA', 'MX'] as const) {
    expect(ask('db.net', type)).toEqual({ id: 77, rcode: 'NOERROR', data: [] });
  }
  expect(ask('example.com', 'A')).toBeUndefined();
  expect(ask('example.com', 'MX')).toBeUndefined();
});

it('answers addresses of both families with names', () => {
  expect(ask('4.0.0.10.in-addr.arpa', 'PTR')?.data).toEqual(['db.net']);
  expect(ask('5.0.0.10.in-addr.arpa', 'PTR')).toBeUndefined();
  expect(ask(`2.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`, 'PTR')?.data).toEqual(['web.net']);
});

it('says that there is no such name, or that it cannot tell', () => {
  expect(sent(nameError(query('x', 'A')))?.rcode).toBe('NXDOMAIN');
  expect(sent(serverFailure(query('x', 'A')))?.rcode).toBe('SERVFAIL');
  const update = { ...query('x', 'A'), opcode: 'UPDATE' } as Packet;
  expect(sent(localAnswer(update, names, 0))?.rcode).toBe('NOTIMP');
});

it('gives as many addresses as the client takes, and says that there are more', () => {
  const short = query('many', 'A');
  expect(udpLimit(short)).toBe(512);
  const cut = encodeAnswer(localAnswer(short, names, 0)!, udpLimit(short));
  const decoded = packet.decode(cut) as Decoded;
  expect(cut.length).toBeLessThanOrEqual(512);
  expect(decoded.flag_tc).toBe(true);
  expect(decoded.answers!.length).toBeGreaterThan(20);

  const long = query('many', 'A', edns(4096));
  expect(udpLimit(long)).toBe(4096);
  const whole = sent(localAnswer(long, names, 0), udpLimit(long));
  expect(whole).toMatchObject({ flag_tc: false });
  expect(whole!.answers).toHaveLength(60);
});

describe('an answer from outside that is too long', () => {
  const question = query('web', 'A');
  const response = (answers: packet.Answer[], more: Partial<Packet> = {}): Buffer =>
    packet.encode({ type: 'response', id: 77, questions: question.questions, answers, ...more });
  const text = (length: number): packet.Answer => ({
    type: 'TXT',
    name: 'web',
    data: ['x'.repeat(length)],
  });

  it.each([
    ['records of all sizes', response([text(10), text(200), text(3), text(250), text(240)]), 3],
    ['one that fits nowhere', response([text(254), text(254)]), 1],
    ['much said beside', response([text(10)], { authorities: Array.from({ length: 9 }, () => text(99)) }), 1],
  ])('is cut to the limit: %s', (_, long, left) => {
    const cut = cutAnswer(question, long, 512);
    const decoded = packet.decode(cut) as Decoded;
    expect(cut.length).toBeLessThanOrEqual(512);
    expect(decoded).toMatchObject({ id: 77, flag_tc: true });
    expect(decoded.answers).toHaveLength(left);
  });

  it('and cannot be read is said to be too long, and left as it is where it fits', () => {
    const broken = Buffer.concat([response([]), Buffer.alloc(600, 0xc0)]);
    broken.writeUInt16BE(9, 6);
    expect(packet.decode(cutAnswer(question, broken, 512))).toMatchObject({
      id: 77,
      flag_tc: true,
      answers: [],
    });
    expect(cutAnswer(question, broken, 4096)).toBe(broken);
  });
});

it('speaks EDNS to those who do', () => {
  const options = (answer: Packet | undefined) => sent(answer, 4096)!.additionals!.map(({ type }) => type);
  expect(options(localAnswer(query('web', 'A', edns(1232)), names, 0))).toEqual(['OPT']);
  expect(options(localAnswer(query('web', 'A'), names, 0))).toEqual([]);
});

it('takes messages of a TCP stream apart wherever it is cut', () => {
  const stream = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('three'))]);
  const first = unframed(stream.subarray(0, 7));
  expect(first.messages.map(String)).toEqual(['one']);
  const second = unframed(Buffer.concat([first.rest, stream.subarray(7)]));
  expect(second.messages.map(String)).toEqual(['three']);
  expect(second.rest).toHaveLength(0);
});
