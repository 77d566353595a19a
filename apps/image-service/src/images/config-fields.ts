/** Fields by their names in lower case. */
type Fields = Map<string, { name: string; within?: Fields }>;

/** @param documents the fields that hold documents, or lists of them */
function fields(names: string, documents: Record<string, Fields> = {}): Fields {
  return new Map([
    ...names.split(' ').map((name) => [name.toLowerCase(), { name }] as const),
    ...Object.entries(documents).map(([name, within]) => [name.toLowerCase(), { name, within }] as const),
  ]);
}

/** Of an image's configuration, `ImageConfig`. */
const CONFIG_FIELDS = fields(
  'architecture variant os os.version created author comment docker_version container',
  {
    config: fields(
      'User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal ArgsEscaped OnBuild Shell',
      { Healthcheck: fields('Test Interval Timeout StartPeriod StartInterval Retries') },
    ),
    rootfs: fields('type diff_ids'),
    history: fields('created created_by author comment empty_layer'),
  },
);

/** The document with its fields spelled as `ImageConfig` does: Go takes them in any case, and Spring Boot says `RootFS`. */
export function spellConfigFields(document: object): object {
  return spelled(document, CONFIG_FIELDS) as object;
}

function spelled(value: unknown, known: Fields): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => spelled(each, known));
  return Object.fromEntries(
    Object.entries(value).map(([given, below]: [string, unknown]) => {
      const { name, within } = known.get(given.toLowerCase()) ?? { name: given };
      return [name, within ? spelled(below, within) : below];
    }),
  );
}
