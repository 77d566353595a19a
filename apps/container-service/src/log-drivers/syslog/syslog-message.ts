import { hostname } from 'node:os';
import { utcTime } from '../../logs/log-record';
import type { LogLine } from '../line-assembler';

export const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', ''], // reserved
  ...['local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
export const FORMATS = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'];

const INFO = 6;
const ERROR = 3;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export interface SyslogStyle {
  /** One of {@link FORMATS}. */
  format: string;
  facility: number;
  tag: string;
  /** Length before each message instead of a newline as its end (RFC 5425): over TLS. */
  framed: boolean;
}

/** One line as dockerd's syslog driver says it. */
export function syslogMessage(line: LogLine, style: SyslogStyle): Buffer {
  const priority = style.facility * 8 + (line.stream === 'stderr' ? ERROR : INFO);
  const head = Buffer.from(header(priority, utcTime(line.time), style));
  const message = Buffer.concat([head, line.text, Buffer.from('\n')]);
  return style.framed ? Buffer.concat([Buffer.from(`${message.length} `), message]) : message;
}

function header(priority: number, time: string, { format, tag }: SyslogStyle): string {
  const { pid } = process;
  if (format.startsWith('rfc5424')) {
    const stamp = format === 'rfc5424' ? `${time.slice(0, 19)}Z` : `${time.slice(0, 26)}Z`;
    return `<${priority}>1 ${stamp} ${hostname()} ${tag} ${pid} ${tag} - `;
  }
  const from = format === 'rfc3164' ? `${hostname()} ` : '';
  return `<${priority}>${stampOf(new Date(time))} ${from}${tag}[${pid}]: `;
}

/** `Nov  8 10:43:39`, the time of this host. */
function stampOf(date: Date): string {
  const [, clock] = /(\d\d:\d\d:\d\d)/.exec(date.toTimeString()) ?? [];
  return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock}`;
}
