// Opens the contract that the page names. A file of its own: the pages' policy allows no script within a page.
const place = document.getElementById("reference");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);

paint();
dark.addEventListener("change", paint);
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.contract,
  validatorUrl: null, // Otherwise a foreign host would be asked for its opinion.
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
});
