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
