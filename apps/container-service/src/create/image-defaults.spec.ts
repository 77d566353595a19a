import { completeContainerConfig } from './container-config';
import { withImageDefaults } from './image-defaults';

const own = completeContainerConfig;

describe('withImageDefaults', () => {
  const image = {
    Cmd: ['sh'],
    Entrypoint: ['/entry'],
    Env: ['PATH=/bin', 'A=image'],
    Labels: { a: '1', b: '1' },
  };

  it('takes command and entrypoint of the image where none is given', () => {
    expect(withImageDefaults(own({ Image: 'x' }), image)).toMatchObject({
      Cmd: ['sh'],
      Entrypoint: ['/entry'],
    });
  });

  it('keeps the entrypoint and replaces the command', () => {
    expect(withImageDefaults(own({ Image: 'x', Cmd: ['ls'] }), image)).toMatchObject({
      Cmd: ['ls'],
      Entrypoint: ['/entry'],
    });
  });

  it('cleans the working directory', () => {
    expect(withImageDefaults(own({ Image: 'x', WorkingDir: '/data/../tmp/' })).WorkingDir).toBe('/tmp');
    expect(withImageDefaults(own({ Image: 'x' }), { WorkingDir: '/home/' }).WorkingDir).toBe('/home');
  });

  it('a new entrypoint drops the command of the image', () => {
    expect(withImageDefaults(own({ Image: 'x', Entrypoint: ['e'] }), image)).toMatchObject({
      Cmd: null,
      Entrypoint: ['e'],
    });
  });

  it('an empty entrypoint means none', () => {
    expect(withImageDefaults(own({ Image: 'x', Entrypoint: [''], Cmd: ['ls'] }), image)).toMatchObject({
      Cmd: ['ls'],
      Entrypoint: null,
    });
  });

  it('puts its own variables and labels over those of the image', () => {
    const merged = withImageDefaults(own({ Image: 'x', Env: ['A=own', 'B=2'], Labels: { a: '2' } }), image);
    expect(merged.Env).toEqual(['A=own', 'B=2', 'PATH=/bin']);
    expect(merged.Labels).toEqual({ a: '2', b: '1' });
  });

  it('merges a health check field by field', () => {
    const merged = withImageDefaults(own({ Image: 'x', Healthcheck: { Retries: 5 } }), {
      Healthcheck: { Test: ['CMD', 'true'], Retries: 1 },
    });
    expect(merged.Healthcheck).toMatchObject({ Test: ['CMD', 'true'], Retries: 5 });
  });
});
