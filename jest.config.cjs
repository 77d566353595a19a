const swc = {
  '^.+\\.(t|j|mj)s$': [
    '@swc/jest',
    {
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        keepClassNames: true,
      },
      module: { type: 'commonjs' },
    },
  ],
};
const fromSource = {
  '^@gantry/shared/(.*)$': '<rootDir>/packages/shared/src/$1/index.ts',
  '^@gantry/proto/(.*)$': '<rootDir>/proto/src/generated/gantry/$1/v1/$1.ts',
};
const project = (displayName, testMatch, more = {}) => ({
  displayName,
  rootDir: __dirname,
  testEnvironment: 'node',
  testMatch,
  transform: swc,
  moduleNameMapper: fromSource,
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.cache/'],
  setupFilesAfterEnv: ['<rootDir>/test/support/time-limit.ts'],
  ...more,
});

/** Unit tests stand beside the source; everything under test/ runs against a real constellation. */
module.exports = {
  projects: [
    project('unit', [
      '<rootDir>/packages/**/src/**/*.spec.ts',
      '<rootDir>/apps/**/src/**/*.spec.ts',
      '<rootDir>/scripts/**/*.spec.ts',
    ]),
    project('engine', ['<rootDir>/test/**/*.spec.ts'], {
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    }),
  ],
};
