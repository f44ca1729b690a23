/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/style.h"

/* clang-format off */
#define LIGHT \
    "--paper:#fdfdfb;--ink:#1b1e23;--soft:#5a616b;--rule:#d9dbd6;--fine:#eceeea;--box:#f4f5f1;" \
    "--warn:#8a4b00;" \
    "--c0:#005fa8;--c1:#c24a00;--c2:#107a4a;--c3:#9b3f96;" \
    "--c4:#a3263f;--c5:#6b6b00;--c6:#4b3bb0;--c7:#1c7f83;"
#define DARK \
    "--paper:#14171b;--ink:#e8e9e4;--soft:#a0a7b1;--rule:#363c44;--fine:#23282e;--box:#1c2026;" \
    "--warn:#f0b060;" \
    "--c0:#62b5f0;--c1:#ff955c;--c2:#5ccf95;--c3:#e094da;" \
    "--c4:#ff8fa3;--c5:#d3cf6a;--c6:#aba0ff;--c7:#6fd6d8;"
#define COLOUR(n) \
    ".c" #n "{stroke:var(--c" #n ")}" \
    ".plot .letter.c" #n ",.dot.c" #n "{fill:var(--c" #n ")}" \
    ".key.c" #n "{color:var(--c" #n ")}\n"

const char ae_bench_style[] =
    ":root{color-scheme:light dark;" LIGHT "}\n"
    "@media(prefers-color-scheme:dark){:root{" DARK "}}\n"
    /* The page */
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,'Segoe UI','DejaVu Sans',sans-serif}\n"
    "main,header,footer{max-width:1240px;margin:0 auto;padding:0 14px}\n"
    "h1,h2,h3{font-weight:650;overflow-wrap:anywhere}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}\n"
    "h1::first-letter,h3::first-letter{text-transform:uppercase}\n"
    "h2{font-size:1.25rem;margin:2.6rem 0 .4rem;padding-top:.7rem;border-top:2px solid}\n"
    "h3{font-size:1rem;margin:1.4rem 0 .3rem}\n"
    "p{margin:.4rem 0;max-width:46rem;overflow-wrap:anywhere}\n"
    ".soft,.over{color:var(--soft)}\n"
    ".over{margin-top:1.8rem}\n"
    ".note{border-left:4px solid var(--warn);background:var(--box);padding:.5rem .8rem}\n"
    "code,.mono{font:.84rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;"
    "overflow-wrap:anywhere}\n"
    /* Tables */
    ".scroll{overflow-x:auto;margin:.6rem 0}\n"
    "table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;"
    "min-width:100%}\n"
    "caption{text-align:left;color:var(--soft);padding-bottom:.25rem}\n"
    "caption span{display:inline-block;position:sticky;left:0;max-width:min(46rem,100vw - 28px)}\n"
    "th,td{padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--rule)}\n"
    "th:last-child,td:last-child{padding-right:0}\n"
    "thead th{color:var(--soft);font-weight:500;border-bottom-color:var(--ink);"
    "vertical-align:bottom}\n"
    "tbody th{font-weight:500;min-width:9.5rem}\n"
    "td.n,th.n{text-align:right;white-space:nowrap}\n"
    "td small,th small{display:block;color:var(--soft);font-size:.78rem;font-weight:400}\n"
    ".best{font-weight:700}\n"
    ".key{display:inline-block;width:1.15rem;font-weight:700}\n"
    /* Plots */
    ".pair{display:grid;grid-template-columns:1fr;gap:.6rem 2rem;margin:.6rem 0}\n"
    ".pair figure{margin:0;min-width:0}\n"
    "figcaption{color:var(--soft);font-size:.9rem}\n"
    ".plot{display:block;width:100%;height:auto;overflow:visible}\n"
    ".plot text{font-size:12.5px;fill:var(--ink);stroke:none}\n"
    ".plot .tick,.plot .name{fill:var(--soft)}\n"
    ".plot .mid{text-anchor:middle}\n"
    ".plot .end{text-anchor:end}\n"
    ".grid{stroke:var(--rule);fill:none}\n"
    ".fine{stroke:var(--fine)}\n"
    ".one{stroke:var(--ink);stroke-width:1.2}\n"
    ".line{fill:none;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}\n"
    ".line.own{stroke-dasharray:5 3;stroke-width:1.4}\n"
    ".leader{fill:none;stroke-width:.8}\n"
    ".spread{fill:none;stroke-width:1.6}\n"
    ".dot{stroke-width:1.4}\n"
    COLOUR(0) COLOUR(1) COLOUR(2) COLOUR(3) COLOUR(4) COLOUR(5) COLOUR(6) COLOUR(7)
    ".plot .letter{font-weight:700}\n"
    ".dot.own{fill:var(--paper)}\n"
    /* Wide, wider, and on paper */
    "@media(min-width:760px){.pair{grid-template-columns:1fr 1fr}.plot text{font-size:11px}"
    "h1{font-size:2.1rem}}\n"
    "@media(min-width:1040px){.plot text{font-size:9.5px}}\n"
    "@media print{:root{color-scheme:light;" LIGHT "--paper:#fff;--ink:#000;--soft:#444}"
    "body{font-size:10pt}.pair{grid-template-columns:1fr 1fr}.plot text{font-size:12px}"
    "figure,tr{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}"
    "table{font-size:7.5pt}}\n";
