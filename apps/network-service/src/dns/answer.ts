import packet, { type Answer, type Packet, type Question } from 'dns-packet';

/** Seconds; containers come and go, but a name that was looked up may be used at once again. */
const TTL = 600;
const SERVFAIL = 2;
const NXDOMAIN = 3;

export interface Names {
  addresses(name: string): string[] | undefined;
  nameOf(address: string): string | undefined;
}

/**
 * The answer to a query from what is known here; undefined when it is to be asked outside. A name that is known but has
 * no record of the wanted type (AAAA) is answered with none. Several addresses come in another order each time.
 */
export function localAnswer(query: Packet, names: Names, turn: number): Buffer | undefined {
  const question = query.questions?.[0];
  if (!question) return reply(query, [], SERVFAIL);
  if (question.type === 'PTR') {
    const address = reverseAddress(question.name);
    const name = address && names.nameOf(address);
    return name ? reply(query, [record(question, 'PTR', name)]) : undefined;
  }
  const addresses = names.addresses(question.name.replace(/\.$/, ''));
  if (!addresses) return undefined;
  if (question.type !== 'A') return reply(query, []);
  const start = turn % addresses.length;
  const rotated = [...addresses.slice(start), ...addresses.slice(0, start)];
  return reply(
    query,
    rotated.map((address) => record(question, 'A', address)),
  );
}

export const nameError = (query: Packet): Buffer => reply(query, [], NXDOMAIN);
export const serverFailure = (query: Packet): Buffer => reply(query, [], SERVFAIL);

function reply(query: Packet, answers: Answer[], code = 0): Buffer {
  const wantsRecursion = (query.flags ?? 0) & packet.RECURSION_DESIRED;
  return packet.encode({
    type: 'response',
    id: query.id,
    flags: packet.RECURSION_AVAILABLE | wantsRecursion | code,
    questions: query.questions,
    answers,
  });
}

function record(question: Question, type: 'A' | 'PTR', data: string): Answer {
  return { type, name: question.name, ttl: TTL, class: 'IN', data };
}

/** `2.0.17.172.in-addr.arpa` is 172.17.0.2. */
function reverseAddress(name: string): string | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa\.?$/i.exec(name);
  return match ? match.slice(1).reverse().join('.') : undefined;
}
