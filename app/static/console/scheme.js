// Gives the page the scheme that was chosen here before it is drawn, so that it does not flash.
{
  let scheme = null;
  try {
    scheme = localStorage.getItem("pulpo.scheme");
  } catch {
    // The browser keeps nothing for this page: the scheme is the system's.
  }
  if (scheme === "light" || scheme === "dark") document.documentElement.dataset.scheme = scheme;
}
