/** IDs and names of containers. */

const ADJECTIVES =
  'amber ample bold brave brisk calm candid clever cosy daring deft eager early fair fleet fond frank fresh gentle glad golden grand happy hardy honest humble jolly keen kind light lively lucid lucky merry mild modest neat nimble noble patient plain polite prompt proud quick quiet ready robust rosy sharp silent sleek smart snug solid spry steady still sunny swift tender tidy tranquil true upbeat vivid warm willing wise witty young zesty'.split(
    ' ',
  );
const NOUNS =
  'acorn anchor anvil arbor badger beacon birch bridge brook canyon cedar cinder cliff clover comet coral crane creek delta dune elm ember falcon fern finch fjord flint forge fox garnet glacier grove harbor hazel heron island ivy jay juniper kestrel lagoon lantern larch lark lynx maple marsh meadow mesa mill moss oak orchard otter owl pebble pine plover pond prairie quarry quartz rapids raven reef ridge river robin sail sparrow spruce summit thicket thistle tundra valley walnut willow wren'.split(
    ' ',
  );

const ID_BYTES = 32;

type RandomBytes = (length: number) => Uint8Array;

/** 64 hex digits. */
export function newContainerId(randomBytes: RandomBytes): string {
  return Buffer.from(randomBytes(ID_BYTES)).toString('hex');
}

/** `adjective_noun`, with a number after a few attempts that found the name taken. */
export function randomName(randomBytes: RandomBytes, attempt: number): string {
  const bytes = Buffer.from(randomBytes(4));
  const pick = (words: readonly string[], at: number): string => words[bytes.readUInt16BE(at) % words.length] ?? '';
  const name = `${pick(ADJECTIVES, 0)}_${pick(NOUNS, 2)}`;
  return attempt < 3 ? name : `${name}${attempt}`;
}

/** The host name of a container that was given none. */
export function defaultHostname(id: string): string {
  return id.slice(0, 12);
}
