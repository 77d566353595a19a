export function checkReport(options: { json: boolean; terminal: boolean; print(text: string): void }): {
  line(line: object): void;
  end(): number;
};
