"use strict";
// A key presses the button or follows the link that names it, except while text is being typed.
document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLTextAreaElement || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === event.key);
  if (target) {
    event.preventDefault();
    target.click();
  }
});
