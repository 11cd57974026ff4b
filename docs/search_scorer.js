// Scores of the site's search: Sphinx's own, but how-to pages, which answer questions, come first.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([docname, , , , score]) => score + (docname.startsWith("howto/") && !docname.endsWith("index") ? 30 : 0),
};
