import { fillIn, isObject, type JsonObject, objectOr, reshape, reshapeEach } from './json-objects';

/** GET /images/json */
export function shapeImageList(json: Buffer, minor: number): Buffer {
  return minor >= 48 ? json : reshapeEach(json, (image) => shapeImageSummary(image, minor));
}

/** API: ImageSummary, also in GET /system/df. */
export function shapeImageSummary(image: JsonObject, minor: number): void {
  if (minor < 48) delete image['Descriptor'];
  if (minor < 44) image['VirtualSize'] ??= image['Size'];
  if (minor < 43) nameTheNameless(image);
}

/** Before 1.43 an image without any name had this one, and a list that was empty was null. */
function nameTheNameless(image: JsonObject): void {
  const [tags, digests] = [isEmpty(image['RepoTags']), isEmpty(image['RepoDigests'])];
  if (tags) image['RepoTags'] = digests ? ['<none>:<none>'] : null;
  if (digests) image['RepoDigests'] = tags ? ['<none>@<none>'] : null;
}

/** Config fields that were always there before 1.52, empty or not (version history, 1.52). */
const IMAGE_CONFIG_FIELDS: JsonObject = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};

/** Fields of a container's Config that an image's had too, always empty, before 1.50 (version history, 1.50). */
const CONTAINER_CONFIG_FIELDS: JsonObject = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

/** GET /images/{name}/json */
export function shapeImageInspect(json: Buffer, minor: number): Buffer {
  if (minor >= 53) return json;
  return reshape(json, (image) => {
    delete image['Identity'];
    if (minor >= 52) return;
    if (minor < 48) delete image['Descriptor'];
    const config = { ...objectOr(image['Config']) };
    image['Config'] = config;
    for (const [name, value] of Object.entries(IMAGE_CONFIG_FIELDS)) config[name] ??= value;
    fillIn(image, { Parent: '', Comment: '', DockerVersion: '', Author: '' });
    if (minor < 50) fillIn(config, CONTAINER_CONFIG_FIELDS);
    if (minor < 45) {
      image['Container'] ??= '';
      image['ContainerConfig'] ??= { ...CONTAINER_CONFIG_FIELDS, ...IMAGE_CONFIG_FIELDS };
    }
    if (minor < 44) {
      image['VirtualSize'] ??= image['Size'];
      image['Created'] ??= '0001-01-01T00:00:00Z';
    }
  });
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : !isObject(value);
}
