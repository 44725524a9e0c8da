// The page follows the reader's own choice of light or dark.
const page = document.querySelector("rapi-doc");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function paint() {
  page.setAttribute("theme", dark.matches ? "dark" : "light");
}

dark.addEventListener("change", paint);
paint();
