import { StartError } from './names.mjs';

/**
 * Shows what `POST /gantry/check` streams: on a terminal one line that moves while things are read, everywhere a line for
 * each finding and one at the end.
 * @param {{json: boolean, terminal: boolean, print: (text: string) => void}} options `json`: every line as it comes
 */
export function checkReport({ json, terminal, print }) {
  let summary;
  let moving = false;
  const clear = () => {
    if (moving) print('\r\x1b[K');
    moving = false;
  };
  return {
    /** @param {object} line @throws StartError when the check itself failed */
    line(line) {
      if (json) print(`${JSON.stringify(line)}\n`);
      if (line.summary) summary = line.summary;
      if (line.error) throw new StartError(line.error);
      if (json) return;
      if (line.problem !== undefined) {
        clear();
        print(`${findingLine(line)}\n`);
      } else if (terminal && line.status) {
        clear();
        print(progressLine(line));
        moving = true;
      }
    },

    /** The exit code. @throws StartError when the engine did not come to an end */
    end() {
      clear();
      if (!summary) throw new StartError('the engine broke off the check');
      if (!json) print(`${summaryLine(summary)}\n`);
      return summary.left === 0 ? 0 : 1;
    },
  };
}

function findingLine({ kind, id, problem, repaired, action }) {
  const what = `${kind} ${id} ${problem}`;
  if (action === undefined) return what;
  return repaired ? `${what} - ${action}` : `${what} - not mended: ${action}`;
}

function progressLine({ status, progressDetail }) {
  return progressDetail ? `${status} ${progressDetail.current}/${progressDetail.total}` : status;
}

function summaryLine({ problems, repaired, left }) {
  if (problems === 0) return 'nothing is wrong';
  const found = problems === 1 ? '1 problem' : `${problems} problems`;
  if (repaired === 0) return found;
  return left === 0 ? `${found}, all mended` : `${found}, ${repaired} mended, ${left} left`;
}
