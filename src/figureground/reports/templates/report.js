"use strict";
(() => {
  const byId = (name) => document.getElementById(name);
  const shelf = byId("cards");
  const perPage = Number(byId("images").dataset.perPage);
  const cards = [...shelf.querySelectorAll(":scope > .card")];
  // cards beyond the first page wait in templates, where their pictures are not decoded
  for (const more of shelf.querySelectorAll("template.more")) {
    cards.push(...more.content.querySelectorAll(".card"));
    more.remove();
  }
  if (!cards.length) return;

  const find = byId("find"), blank = byId("blank"), index = byId("index");
  const words = cards.map((card) => card.dataset.words);
  const doors = cards.map(door);
  let chosen = cards.map((_, position) => position);
  let page = 0;

  function door(card) {
    const link = document.createElement("a");
    const picture = card.querySelector("img.original");
    link.href = "#" + card.id;
    link.title = card.querySelector(".path").textContent;
    if (card.dataset.problems !== "0") link.className = "blank";
    if (picture) {
      const small = document.createElement("img");
      small.loading = "lazy";
      small.alt = link.title;
      small.src = picture.getAttribute("src");
      link.append(small);
    } else {
      link.setAttribute("aria-label", link.title);
    }
    return link;
  }

  function show(number) {
    const pages = Math.max(1, Math.ceil(chosen.length / perPage));
    page = Math.min(Math.max(number, 0), pages - 1);
    const visible = chosen.slice(page * perPage, (page + 1) * perPage);
    shelf.replaceChildren(...visible.map((position) => cards[position]));
    doors.forEach((link) => link.classList.remove("here"));
    visible.forEach((position) => doors[position].classList.add("here"));
    byId("nothing").hidden = chosen.length > 0;
    byId("where").textContent = `page ${page + 1} of ${pages}`;
    byId("back").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
    document.querySelector(".pager").hidden = pages === 1;
  }

  function filter() {
    const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const keeps = (position) =>
      wanted.every((word) => words[position].includes(word)) &&
      !(blank && blank.checked && cards[position].dataset.problems === "0");
    chosen = [...cards.keys()].filter(keeps);
    index.replaceChildren(...chosen.map((position) => doors[position]));
    index.hidden = chosen.length < 2;
    byId("count").textContent = chosen.length === cards.length
      ? `${cards.length.toLocaleString("en")} ${cards.length === 1 ? "image" : "images"}`
      : `${chosen.length.toLocaleString("en")} of ${cards.length.toLocaleString("en")} images`;
    show(0);
  }

  function jump() {
    const position = cards.findIndex((card) => "#" + card.id === location.hash);
    if (position < 0) return;
    if (!chosen.includes(position)) {
      find.value = "";
      if (blank) blank.checked = false;
      filter();
    }
    show(Math.floor(chosen.indexOf(position) / perPage));
    cards[position].scrollIntoView();
    cards[position].focus({ preventScroll: true });
  }

  function turn(step) {
    show(page + step);
    byId("images").scrollIntoView();
  }

  find.addEventListener("input", filter);
  if (blank) blank.addEventListener("change", filter);
  const heat = byId("heat");
  heat.addEventListener("change", () => shelf.classList.toggle("no-heat", !heat.checked));
  byId("back").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", jump);
  // a second click on the same thumbnail changes no hash
  index.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.getAttribute("href") === location.hash) jump();
  });
  byId("controls").hidden = false;
  filter();
  jump();
})();
