// The ranking in the browser: the same formulas as rightfit.ranking, on the profiles of the report.
// Utilities on fixed bounds, limits, the choice of the serving configuration, the order.
"use strict";

const Ranking = (() => {
  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

  function scoreMetric(value, { worst, best, scale }) {
    if (!known(value)) return NaN;
    const place = scale === "log"
      ? (Math.log(value) - Math.log(worst)) / (Math.log(best) - Math.log(worst))
      : (value - worst) / (best - worst);
    return Math.min(1, Math.max(0, place));
  }

  function utilityOf(values, application) {
    const goals = application.objectives.filter((goal) => goal.weight > 0);
    const total = goals.reduce((sum, goal) => sum + goal.weight, 0);
    const geometric = application.aggregation === "geometric";
    const sum = goals.reduce((partial, goal) => {
      const score = scoreMetric(values[goal.metric], goal);
      return partial + (goal.weight / total) * (geometric ? Math.log(score) : score);
    }, 0);
    return total > 0 ? Math.min(1, geometric ? Math.exp(sum) : sum) : NaN;
  }

  function boundOf(limit, profiles) {
    if (limit.kind !== "max_degradation") return limit.value;
    const measured = profiles.map((profile) => profile.values[limit.metric]).filter(known);
    return Math.max(...measured) - limit.value * (1 + 1e-9); // as in Python, against rounding
  }

  // By how much each limit is broken, as a share of the limit.
  function excessesOf(values, limits, bounds) {
    return limits.map((limit, i) => {
      const value = values[limit.metric];
      const beyond = limit.kind === "max" ? value - bounds[i] : bounds[i] - value;
      return known(value) ? Math.max(0, beyond) / (Math.abs(bounds[i]) || 1) : Infinity;
    });
  }

  function preference(profile, { by, prefer }) {
    const value = profile.values[by];
    return known(value) ? (prefer === "higher" ? value : -value) : -Infinity;
  }

  // Compare two judged profiles by the first key in which they differ; the higher one comes first.
  function compareBy(keys) {
    return (a, b) => {
      for (const key of keys) {
        if (key(a) !== key(b)) return key(a) > key(b) ? -1 : 1;
      }
      return a.position - b.position;
    };
  }

  // A candidate is the same model in each configuration: what an export rounds decides nothing.
  const isQuality = (metric) => metric === "quality" || metric === "quality_raw";
  const isNoQuality = ({ by }) => !isQuality(by);

  // How far the intervals of costs reach below and above a utility, in quadrature.
  function reachOf({ values, reach, utility }, application) {
    const goals = application.objectives.filter(({ metric, weight }) => weight > 0 && !isQuality(metric) && reach[metric]);
    const moves = goals.map(({ metric }) => reach[metric]
      .map((end) => utilityOf({ ...values, [metric]: end }, application)).filter(known));
    return {
      below: Math.hypot(...moves.map((ends) => Math.min(...ends) - utility)),
      above: Math.hypot(...moves.map((ends) => Math.max(...ends) - utility)),
    };
  }

  // Why a rule leaves feasible configurations out; the same rules as in configurations.py.
  function findLeftOut(judged, application) {
    const used = [
      ...application.objectives.filter(({ weight }) => weight > 0).map(({ metric }) => metric),
      ...application.limits.map(({ metric }) => metric),
    ].filter((metric) => !isQuality(metric));
    const isWide = ({ values, reach }) => used.some((metric) => reach[metric]
      && (reach[metric][1] - reach[metric][0]) / 2 > application.max_half_width * Math.abs(values[metric]));
    const meetsSurely = ({ reach, bounds }) => application.limits.every(({ metric, kind }, i) => (
      isQuality(metric) || !reach[metric]
        || (kind === "max" ? reach[metric][1] <= bounds[i] : reach[metric][0] >= bounds[i])
    ));
    const leftOut = new Set();
    for (const name of new Set(judged.map(({ candidate }) => candidate))) {
      const feasible = judged.filter(({ candidate, feasible: isFeasible }) => candidate === name && isFeasible);
      const narrow = feasible.filter((one) => !isWide(one));
      const kept = narrow.length ? narrow : feasible;
      const single = kept.filter((one) => one.n_threads === 1);
      const best = single.reduce((high, one) => (high && high.utility >= one.utility ? high : one), undefined);
      const isSure = single.some(meetsSurely);
      for (const one of feasible) {
        const isIdle = () => best && one.n_threads > 1 && (isSure || !meetsSurely(one))
          && one.utility - best.utility <= Math.hypot(reachOf(one, application).below, reachOf(best, application).above);
        if (!kept.includes(one) || isIdle()) leftOut.add(one);
      }
    }
    return leftOut;
  }

  function standsLike(a, b) {
    return a.feasible === b.feasible && a.undecided === b.undecided && a.excess === b.excess
      && known(a.utility) === known(b.utility);
  }

  const isClose = (utility, highest, { prefer_within }) => utility === highest || utility > highest - prefer_within;

  function standing({ utility, feasible }) {
    if (Number.isNaN(utility)) return -4;
    return feasible ? utility : utility - 2;
  }

  /**
   * Rank the candidates of one dataset by utility, best first, each in its best configuration; a
   * winner that qualifies in the one it won with keeps that.
   */
  function rank(profiles, application, { winner, serving } = {}) {
    const bounds = application.limits.map((limit) => boundOf(limit, profiles));
    const judged = profiles.map((profile, position) => {
      const utility = utilityOf(profile.values, application);
      const excesses = excessesOf(profile.values, application.limits, bounds);
      const excess = excesses.reduce((sum, one) => sum + one, 0);
      // limits that only timings break which other work on the machine may have slowed so much
      const quiet = (limit) => profile.values[limit.metric] * (limit.kind === "max" ? 1 / limit.slowdown : limit.slowdown);
      const undecided = profile.disturbed && excess > 0 && excess < Infinity && known(utility)
        && application.limits.every((limit, i) => limit.kind === "max" ? quiet(limit) <= bounds[i] : quiet(limit) >= bounds[i]);
      return { ...profile, position, utility, excess, undecided, bounds, feasible: excess === 0 && known(utility) };
    });
    const leftOut = findLeftOut(judged, application);
    const unit = 10 ** application.utility_digits;
    const rounded = (p) => (known(p.utility) ? Math.round(p.utility * unit) : -unit);
    const key = (tie) => (tie.by === "utility" ? rounded : (profile) => preference(profile, tie));
    const isNear = (p, best) => standsLike(p, best) && (rounded(best) === rounded(p) || rounded(best) - rounded(p) < application.prefer_within * unit);
    const byStanding = compareBy([
      (p) => (p.feasible ? 2 : Number(p.undecided)),
      (p) => Number(known(p.utility)),
      (p) => -p.excess,
      rounded,
    ]);
    const byRule = compareBy([...application.ties.filter(isNoQuality).map(key), rounded]);
    const configurations = new Map(); // of each candidate, those practically equal to the best
    for (const profile of judged.filter((one) => !leftOut.has(one)).sort(byStanding)) {
      const near = configurations.get(profile.candidate) || [];
      if (!near.length || isNear(profile, near[0])) near.push(profile);
      configurations.set(profile.candidate, near);
    }
    const best = [...configurations.values()].map((near) => near.sort(byRule)[0]);
    const highest = Math.max(...best.filter((p) => p.feasible).map((p) => p.utility));
    const earlier = judged.find((p) => p.candidate === winner && p.serving === serving);
    const stands = leftOut.has(earlier) ? best.find((p) => p.candidate === winner) : earlier;
    const kept = application.keep_winner && stands && stands.feasible && isClose(stands.utility, highest, application) && stands;
    const chosen = best.map((p) => (kept && p.candidate === winner ? { ...kept, stands: true } : p));
    const ties = application.ties.filter((tie) => tie.by !== "utility").map(key);
    return chosen.sort(compareBy([standing, ...ties]));
  }

  /** Choose among the candidates that are practically equal to the best: the earlier winner, else by the tie rule. */
  function choose(ranked, application) {
    const feasible = ranked.filter((one) => one.feasible);
    const near = feasible.filter(({ utility }) => isClose(utility, feasible[0].utility, application));
    const kept = near.find((one) => one.stands);
    const key = (tie) => (tie.by === "utility" ? (one) => one.utility : (one) => preference(one, tie));
    const better = (a, b) => application.ties.map(key).map((of) => of(b) - of(a)).find((gap) => gap !== 0) ?? 0;
    return kept || near.sort(better)[0];
  }

  return { rank, choose, scoreMetric, utilityOf };
})();
