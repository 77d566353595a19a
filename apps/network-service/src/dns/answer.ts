import { isIPv6 } from 'node:net';
import packet, { type Answer, type Packet, type Question } from 'dns-packet';

/** Seconds; containers come and go, but a name that was looked up may be used at once again. */
const TTL = 600;
const SERVFAIL = 2;
const NXDOMAIN = 3;
const NOTIMP = 4;
/** What every client takes over UDP (RFC 1035). */
const SMALLEST_LIMIT = 512;
/** What we take, told to clients that tell theirs. */
const OWN_LIMIT = 1_232;

export interface Names {
  /** Of both families; undefined for a name that nobody has. */
  addresses(name: string): string[] | undefined;
  nameOf(address: string): string | undefined;
}

/**
 * The answer to a query from what is known here; undefined when it is to be asked outside. A name that is known but has
 * no record of the wanted type is answered with none. Several addresses come in another order each time.
 */
export function localAnswer(query: Packet, names: Names, turn: number): Packet | undefined {
  if ((query as { opcode?: string }).opcode !== 'QUERY') return reply(query, [], NOTIMP);
  const question = query.questions?.[0];
  if (!question) return reply(query, [], SERVFAIL);
  if (question.type === 'PTR') {
    const address = reverseAddress(question.name);
    const name = address && names.nameOf(address);
    return name ? reply(query, [record(question, 'PTR', name)]) : undefined;
  }
  const known = names.addresses(question.name.replace(/\.$/, ''));
  if (!known) return undefined;
  const { type } = question;
  if (type !== 'A' && type !== 'AAAA') return reply(query, []);
  const addresses = known.filter((address) => isIPv6(address) === (type === 'AAAA'));
  const start = addresses.length > 0 ? turn % addresses.length : 0;
  const rotated = [...addresses.slice(start), ...addresses.slice(0, start)];
  return reply(
    query,
    rotated.map((address) => record(question, type, address)),
  );
}

export const nameError = (query: Packet): Packet => reply(query, [], NXDOMAIN);
export const serverFailure = (query: Packet): Packet => reply(query, [], SERVFAIL);
/** There may be such a name, but nothing is known of it. */
export const noData = (query: Packet): Packet => reply(query, []);

/**
 * The bytes of an answer, cut to what the client takes: as many records as fit, and the mark that there are more. What
 * servers add to their answers goes first.
 */
export function encodeAnswer(answer: Packet, limit: number): Buffer {
  let bytes = packet.encode(answer);
  const cut = {
    ...answer,
    flags: (answer.flags ?? 0) | packet.TRUNCATED_RESPONSE,
    authorities: [],
    additionals: answer.additionals?.filter(({ type }) => type === 'OPT'),
  };
  for (let answers = answer.answers ?? []; bytes.length > limit;) {
    bytes = packet.encode({ ...cut, answers });
    if (answers.length === 0) break;
    const fitting = Math.floor((answers.length * limit) / bytes.length);
    answers = answers.slice(0, Math.min(answers.length - 1, fitting));
  }
  return bytes;
}

/**
 * The answer of a server, cut to what the client takes. One that cannot be read, which is the client's to judge while it fits,
 * is only said to be too long.
 */
export function cutAnswer(query: Packet, answer: Buffer, limit: number): Buffer {
  if (answer.length <= limit) return answer;
  try {
    return encodeAnswer(packet.decode(answer), limit);
  } catch {
    return packet.encode(reply(query, [], packet.TRUNCATED_RESPONSE));
  }
}

/** Bytes that the client takes in one UDP message (RFC 6891). */
export function udpLimit(query: Packet): number {
  return Math.max(SMALLEST_LIMIT, optionsOf(query)?.udpPayloadSize ?? 0);
}

/** @param code RCODE, and other flags */
function reply(query: Packet, answers: Answer[], code = 0): Packet {
  const wantsRecursion = (query.flags ?? 0) & packet.RECURSION_DESIRED;
  return {
    type: 'response',
    id: query.id,
    flags: packet.RECURSION_AVAILABLE | wantsRecursion | code,
    questions: query.questions,
    answers,
    additionals: optionsOf(query)
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: OWN_LIMIT,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  };
}

const optionsOf = (query: Packet) => query.additionals?.find((additional) => additional.type === 'OPT');

function record(question: Question, type: 'A' | 'AAAA' | 'PTR', data: string): Answer {
  return { type, name: question.name, ttl: TTL, class: 'IN', data };
}

/** `2.0.17.172.in-addr.arpa` is 172.17.0.2; of `ip6.arpa` each label is a digit. */
function reverseAddress(name: string): string | undefined {
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa\.?$/i.exec(name);
  if (four) return four.slice(1).reverse().join('.');
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa\.?$/i.exec(name)?.[1];
  return six?.replaceAll('.', '').split('').reverse().join('').match(/.{4}/g)?.join(':');
}
