// Keeps countdowns true and filters the operations of the start page. Without it the pages say the same, once.
const DAY = 86400;

const words = (seconds) => {
  const days = Math.floor(seconds / DAY);
  if (days) return `${days} day${days > 1 ? "s" : ""}`;
  const [hours, minutes, over] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  if (hours) return `${hours} h ${minutes} min ${over} s`;
  return minutes ? `${minutes} min ${over} s` : `${over} s`;
};

const countDown = () => {
  for (const place of document.querySelectorAll("[data-until]")) {
    const left = (Date.parse(place.dataset.until) - Date.now()) / 1000;
    if (left > 0) place.dataset.counted = "true";
    else if (place.dataset.counted) location.reload(); // What the page says of the version is another thing now.
    place.textContent = left > 0 ? words(left) : "nothing";
  }
};

const filter = (form) => {
  const field = form.querySelector("input");
  const told = form.querySelector("[role=status]");
  const show = () => {
    const wanted = field.value.trim().toLowerCase();
    let found = 0;
    for (const card of document.querySelectorAll(".card")) {
      let own = 0;
      for (const row of card.querySelectorAll("tbody tr")) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        own += row.hidden ? 0 : 1;
      }
      for (const details of card.querySelectorAll("details")) {
        details.open = wanted !== "" && details.querySelector("tbody tr:not([hidden])") !== null;
      }
      card.hidden = own === 0;
      found += own;
    }
    told.textContent = wanted ? `${found} operation${found === 1 ? "" : "s"} found.` : "";
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", show);
};

countDown();
setInterval(countDown, 1000);
document.querySelectorAll("form.filter").forEach(filter);
