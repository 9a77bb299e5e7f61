// What every page needs, also before the sign-in. Each part acts only where its elements are.
// Tells the server the browser's time zone, so that it renders local times.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`voxwarden_zone=${zone}`)) {
  document.cookie = `voxwarden_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

// Counts down the seconds until the next try to sign in is allowed.
const place = document.getElementById("wait");

const tick = () => {
  const left = Number(place.textContent) - 1;
  if (left <= 0) place.closest(".problem").remove();
  else {
    place.textContent = String(left);
    setTimeout(tick, 1000);
  }
};

if (place) setTimeout(tick, 1000);

// Copies a text that a page shows only once. Without a clipboard (plain HTTP), the text is selected.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const place = document.querySelector(button.dataset.copy);
  getSelection().selectAllChildren(place);
  await navigator.clipboard?.writeText(place.innerText.trim());
  if (navigator.clipboard) button.textContent = button.dataset.done;
});

// Asks before a form of a part with `data-ask` goes to its `data-path`: a person may shut themselves out.
document.addEventListener("submit", (event) => {
  const part = event.target.closest("[data-ask]");
  if (part && part.dataset.path === event.target.getAttribute("action") && !confirm(part.dataset.ask)) event.preventDefault();
});

// Refuses a file that is larger than the server takes, before anything is sent.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches?.("input[type=file][data-most]")) return;
  const large = input.files[0]?.size > Number(input.dataset.most);
  input.setCustomValidity(large ? input.dataset.large : "");
  input.reportValidity();
});
