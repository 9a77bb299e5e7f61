// Copies a text that a page shows only once. Without a clipboard (plain HTTP), the text is selected.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const place = document.querySelector(button.dataset.copy);
  getSelection().selectAllChildren(place);
  await navigator.clipboard?.writeText(place.innerText.trim());
  if (navigator.clipboard) button.textContent = button.dataset.done;
});
