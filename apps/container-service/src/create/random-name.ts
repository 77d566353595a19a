import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'able agile amber ancient bold brave breezy bright brisk calm candid careful cheerful clever cosmic crisp curious daring deep dreamy eager early earnest easy elated epic fair fancy fearless festive fleet fluent focused fond frank fresh friendly gallant gentle gifted glad golden graceful grand great happy hardy hearty honest hopeful humble ideal jolly jovial keen kind lively logical loving loyal lucid lucky magical mellow merry mighty modest musing mystic neat nimble noble nifty open patient peaceful placid plucky polite practical proud quick quiet quirky radiant rapid ready relaxed robust serene sharp silent sleek sleepy smart snappy solid spry stable steady stoic sunny swift tender thirsty tidy trusting upbeat vibrant vigilant vivid warm wise witty wonderful youthful zealous zen';
const SURNAMES =
  'abel ampere archimedes aryabhata avicenna babbage banach bardeen bassi bell bernoulli bohr boole borg bose brahmagupta brown cantor carson cauchy cerf chandrasekhar chatelet clarke cori curie cray darwin davinci dijkstra dirac easley edison einstein elion engelbart euclid euler faraday fermat fermi feynman franklin galileo galois gates gauss germain goldberg goodall hamilton haslett hawking heisenberg hellman hermann herschel hertz hodgkin hofstadter hopper hypatia jackson jang johnson joliot kare keldysh keller kepler khayyam khorana kilby knuth kowalevski lalande lamarr lamport leakey leavitt lederberg lehmann liskov lovelace lumiere maxwell mayer mccarthy mcclintock meitner mendel mendeleev mestorf mirzakhani morse murdock neumann newton nightingale nobel noether noyce panini pare pascal pasteur payne perlman pike poincare ptolemy raman ramanujan ride ritchie rosalind rubin saha sammet shannon shockley sinoussi snyder swartz swirles tesla thompson torvalds turing varahamihira villani volta wescoff wiles williams wilson wozniak wright yalow yonath';

const adjectives = ADJECTIVES.split(' ');
const surnames = SURNAMES.split(' ');

/** `happy_turing`; from the second attempt on with a digit behind it. */
export function randomName(attempt: number): string {
  const pick = (words: string[]): string => words[randomInt(words.length)] ?? '';
  const name = `${pick(adjectives)}_${pick(surnames)}`;
  return attempt === 0 ? name : `${name}${randomInt(10)}`;
}
