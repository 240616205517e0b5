// Gives the page the scheme that was chosen here before it is drawn, so that it does not flash.
{
  const scheme = localStorage.getItem("pulpo.scheme");
  if (scheme === "light" || scheme === "dark") document.documentElement.dataset.scheme = scheme;
}
