declare module 'js-yaml' {
  /** YAML 1.2 without types of JavaScript. @throws YAMLException */
  export function safeLoad(text: string): unknown;
}
