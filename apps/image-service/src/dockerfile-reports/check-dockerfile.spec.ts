import { IgnorePatterns } from '../context/ignore-patterns';
import { parseDockerfile } from '../dockerfile/parse-dockerfile';
import { checkDockerfile } from './check-dockerfile';

const platform = { os: 'linux', architecture: 'amd64', variant: '' };

function check(text: string, { hasBase = true, ignored = [] as string[] } = {}): string[] {
  const dockerfile = parseDockerfile(text);
  return checkDockerfile(dockerfile, {
    options: dockerfile.checks,
    arguments: {},
    platforms: { build: platform, target: platform },
    ignored: new IgnorePatterns(ignored),
    environmentOf: () => (hasBase ? ['PATH=/bin'] : undefined),
  }).map(({ rule, line, detail }) => `${line} ${rule}: ${detail}`);
}

it.each<[string, string[]]>([
  ['FROM a\nCMD ["a"]\nRUN b\n', []],
  ['FROM a AS Web', ["1 StageNameCasing: Stage name 'Web' should be lowercase"]],
  ['FROM a as web', ["1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"]],
  [
    'FROM a AS b\nFROM a AS b',
    ['2 DuplicateStageName: Duplicate stage name "b", stage names should be unique'],
  ],
  [
    'FROM a AS context',
    ['1 ReservedStageName: Stage name should not use the same name as reserved stage "context"'],
  ],
  [
    'FROM a\nrun b\nRUN c',
    [
      "2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
    ],
  ],
  ['FROM a\nRUN b \\\n\n c', ['4 NoEmptyContinuation: Empty continuation line']],
  [
    'FROM a\nMAINTAINER me',
    ['2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label'],
  ],
  [
    'FROM a\nENV b c',
    ['2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format'],
  ],
  ['FROM a\nENV b="c d" e=f\nLABEL "x y"=z', []],
  [
    'FROM a\nEXPOSE 80/TCP 81:82',
    [
      "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '81:82'",
    ],
  ],
  [
    'FROM a\nENTRYPOINT b\nSHELL ["c"]\nCMD d',
    [
      '2 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals',
    ],
  ],
  [
    'FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD ["a"]',
    [
      '2 MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used',
    ],
  ],
  [
    'ARG TAG=1\nFROM a:${TAGG}1',
    ["2 UndefinedArgInFrom: FROM argument 'TAGG' is not declared (did you mean TAG?)"],
  ],
  [
    'ARG BASE\nFROM $BASE',
    ['2 InvalidDefaultArgInFrom: Default value for ARG $BASE results in empty or invalid base image name'],
  ],
  [
    'FROM --platform=linux/amd64 a\nFROM --platform=linux/arm64 a AS for-arm64\nFROM --platform=$BUILDPLATFORM a',
    ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  ],
  [
    'FROM --platform=$TARGETPLATFORM a',
    [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    ],
  ],
  [
    'FROM a\nARG API_KEY\nENV TOKEN_FILE=a',
    ['2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")'],
  ],
  [
    'FROM a\nWORKDIR b\nWORKDIR c',
    ['2 WorkdirRelativePath: Relative workdir "b" can have unexpected results if the base image changes'],
  ],
  [
    'FROM a\nARG ONE\nENV TWO=1\nCOPY $ONE $TWO $PATH $TWOO /b/',
    ["4 UndefinedVar: Usage of undefined variable '$TWOO' (did you mean $TWO?)"],
  ],
  ['FROM a AS b\nENV X=1\nFROM b\nCOPY $X /x', []],
  ['FROM a\nRUN echo $NOT_FOR_US', []],
  ['# check=skip=JSONArgsRecommended\nFROM a\nCMD b', []],
  ['# check=skip=all\nFROM a as B\nCMD b', []],
])('of %j it says', (text, findings) => {
  expect(check(text)).toEqual(findings);
});

it('knows no undefined variables where the base is not here', () => {
  expect(check('FROM a\nCOPY $X /x', { hasBase: false })).toEqual([]);
});

it('knows what is left out of the context', () => {
  const text =
    'FROM a AS b\nENV D=dir\nCOPY $D/x.log ./y /z/\nADD http://a/x.log dir/ /z/\nCOPY --from=b /x.log /\nCOPY . /all/';
  expect(check(text, { ignored: ['**/*.log', 'dir/'] })).toEqual([
    '3 CopyIgnoredFile: Attempting to Copy file "dir/x.log" that is excluded by .dockerignore',
    '4 CopyIgnoredFile: Attempting to Add file "dir" that is excluded by .dockerignore',
  ]);
  expect(check(text, { ignored: ['dir/', '!dir/x.log'] })).toEqual([]);
});
