import packet from 'dns-packet';
import { localAnswer, nameError } from './answer';
import { framed, unframed } from './upstream';

const names = {
  addresses: (name: string) =>
    ({ web: ['10.0.0.2', '10.0.0.3'], 'db.net': ['10.0.0.4'] })[name.toLowerCase()] as string[] | undefined,
  nameOf: (address: string) => (address === '10.0.0.4' ? 'db.net' : undefined),
};
const query = (name: string, type: 'A' | 'AAAA' | 'PTR' | 'MX') =>
  packet.decode(
    packet.encode({
      type: 'query',
      id: 77,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type, class: 'IN' }],
    }),
  );
const ask = (name: string, type: 'A' | 'AAAA' | 'PTR' | 'MX', turn = 0) => {
  const answer = localAnswer(query(name, type), names, turn);
  if (!answer) return undefined;
  const decoded = packet.decode(answer) as packet.DecodedPacket & { rcode: string };
  return {
    id: decoded.id,
    rcode: decoded.rcode,
    data: decoded.answers?.map((one) => 'data' in one && one.data),
  };
};

it('answers names with all their addresses, in turns', () => {
  expect(ask('web', 'A')).toEqual({ id: 77, rcode: 'NOERROR', data: ['10.0.0.2', '10.0.0.3'] });
  expect(ask('WEB', 'A', 1)?.data).toEqual(['10.0.0.3', '10.0.0.2']);
});

it('has no IPv6 address for a known name, and leaves unknown ones to others', () => {
  expect(ask('db.net', 'AAAA')).toEqual({ id: 77, rcode: 'NOERROR', data: [] });
  expect(ask('example.com', 'A')).toBeUndefined();
  expect(ask('example.com', 'MX')).toBeUndefined();
});

it('answers addresses with names', () => {
  expect(ask('4.0.0.10.in-addr.arpa', 'PTR')?.data).toEqual(['db.net']);
  expect(ask('5.0.0.10.in-addr.arpa', 'PTR')).toBeUndefined();
});

it('says that there is no such name', () => {
  const answer = packet.decode(nameError(query('x', 'A'))) as packet.DecodedPacket & { rcode: string };
  expect(answer.rcode).toBe('NXDOMAIN');
});

it('takes messages of a TCP stream apart wherever it is cut', () => {
  const stream = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('three'))]);
  const first = unframed(stream.subarray(0, 7));
  expect(first.messages.map(String)).toEqual(['one']);
  const second = unframed(Buffer.concat([first.rest, stream.subarray(7)]));
  expect(second.messages.map(String)).toEqual(['three']);
  expect(second.rest).toHaveLength(0);
});
