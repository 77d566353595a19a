import { invalidArgument, notFound } from '@gantry/shared/errors';
import { hostPlatform, matchesPlatform, type Platform } from '../images/image-config';
import { platformText } from '../manifests/platform-choice';
import { type NamedReference, parseNamed, withDefaultTag } from '../references/reference';
import type { ArchiveIndex } from '../tar/archive-index';
import type { ArchivedGroup, ArchivedImage } from './archived-image';
import { DOCKER_MANIFEST_FILE, imagesOfDockerArchive } from './docker-archive';
import { imagesOfOciLayout, OCI_INDEX_FILE } from './oci-layout';

/** An image that is to be loaded, and what it is to be called. */
export interface WantedImage {
  image: ArchivedImage;
  names: NamedReference[];
}

/**
 * What to load of a docker-archive, of an OCI layout, or of both in one. Of an image for several platforms that is the one
 * for this host, or those of `platforms`; the names go to the host's, or else to the first. Those of other systems stay out.
 * @throws InvalidArgument for what is neither, is broken, has nothing for Linux, or says one thing here and another there; NotFound when it has
 *   nothing for `platforms`
 */
export function imagesOfArchive(archive: ArchiveIndex, platforms: Platform[]): WantedImage[] {
  const docker = archive.find(DOCKER_MANIFEST_FILE) ? named(imagesOfDockerArchive(archive)) : undefined;
  const oci = archive.find(OCI_INDEX_FILE) ? named(imagesOfOciLayout(archive)) : undefined;
  if (!docker && !oci) throw invalidArgument(`invalid archive: does not contain a ${DOCKER_MANIFEST_FILE}`);
  if (docker && oci) agree(docker, oci);
  const wanted = (oci ?? docker ?? []).flatMap((group) => choose(group, platforms));
  if (wanted.length === 0 && platforms.length > 0) {
    const texts = platforms.map(platformText).join(', ');
    throw notFound(`requested platform (${texts}) not found in the archive`);
  }
  return wanted;
}

interface Group extends Pick<ArchivedGroup, 'images'> {
  names: NamedReference[];
}

function named(groups: ArchivedGroup[]): Group[] {
  return groups.map(({ names, images }) => {
    const parsed = names.map((name) => withDefaultTag(parseNamed(name)));
    const distinct = new Map(parsed.map((name) => [keyOf(name), name]));
    return { images, names: [...distinct.values()] };
  });
}

const keyOf = ({ repository, tag, digest }: NamedReference): string =>
  `${repository}:${tag ?? ''}@${digest ?? ''}`;

function choose({ images, names }: Group, platforms: Platform[]): WantedImage[] {
  const asked =
    platforms.length === 0
      ? images
      : images.filter(({ config }) => platforms.some((platform) => matchesPlatform(config, platform)));
  const fitting = asked.filter(({ config }) => (config.os || 'linux') === 'linux');
  const best = fitting.find(isForHost) ?? fitting[0];
  if (!best && asked[0]) throw invalidArgument(`cannot load ${asked[0].config.os} image on linux`);
  if (!best) return [];
  if (platforms.length === 0) return [{ image: best, names }];
  return fitting.map((image) => ({ image, names: image === best ? names : [] }));
}

const isForHost = ({ config }: ArchivedImage): boolean => matchesPlatform(config, hostPlatform());

/** Who looks into the one must see what is loaded by the other. An index without any names takes those of manifest.json. */
function agree(docker: Group[], oci: Group[]): void {
  const listed = idsOf(docker);
  const unlisted = oci.some(
    ({ images }) => images.some(isForHost) && !images.some(({ id }) => listed.has(id)),
  );
  if (unlisted || !isSubset(listed, idsOf(oci))) throw disagreement();
  if (oci.every(({ names }) => names.length === 0)) {
    for (const group of oci) {
      const same = docker.filter(({ images }) => images.some(({ id }) => idsOf([group]).has(id)));
      group.names = same.flatMap(({ names }) => names);
    }
    return;
  }
  const meant = new Map(oci.flatMap((group) => group.names.map((name) => [keyOf(name), idsOf([group])])));
  for (const group of docker) {
    for (const name of group.names) {
      if (!isSubset(idsOf([group]), meant.get(keyOf(name)) ?? new Set())) throw disagreement();
      meant.delete(keyOf(name));
    }
  }
  // Names of images that are for other hosts only have no place in manifest.json.
  const due = oci.filter(({ images }) => images.some(isForHost)).flatMap(({ names }) => names);
  if (due.some((name) => meant.has(keyOf(name)))) throw disagreement();
}

const idsOf = (groups: Group[]): Set<string> =>
  new Set(groups.flatMap(({ images }) => images.map(({ id }) => id)));

const isSubset = (some: Set<string>, all: Set<string>): boolean => [...some].every((one) => all.has(one));

const disagreement = () =>
  invalidArgument(`invalid archive: ${DOCKER_MANIFEST_FILE} and ${OCI_INDEX_FILE} disagree`);
