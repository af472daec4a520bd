// Starts the vendored viewer on the address that the page names; the page itself holds no script.
const place = document.getElementById("docs");

// The viewer's dark theme hangs on a class of <html>, not on the media query.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

SwaggerUIBundle({
  url: place.dataset.url,
  domNode: place,
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  filter: true,
  // The default sends the description to a validator on another host.
  validatorUrl: null,
  // A key typed here would otherwise outlive the tab.
  persistAuthorization: false,
});
