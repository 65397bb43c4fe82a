"""Every table, figure and algorithm of the papers: the command that makes it, or what is missing.

Numbers beside the papers' are in docs/papers.md; `robbench papers` lists what a store can answer.
"""

from __future__ import annotations

WEIGHTS = "missing: networks trained as the paper trains them, which take days of a GPU each"
TRAINED_HERE = f"python benchmarks/croze.py; on digits: docs/fidelity.md; {WEIGHTS}"
DARTS_TRAINED = "missing: trained networks of DARTS: 120 epochs of adversarial training each, on a GPU"
DARTS_SEARCHED = "python examples/darts_search.py FOLDER; on digits: docs/darts.md"
ILLUSTRATION = "an illustration; nothing is measured"

CONTENTS: dict[str, dict[str, str]] = {
    "Lukasik, Moeller, Keuper (2023)": {
        "Table 1": "robbench papers lukasik2023-table1",
        "Table 2": "robbench papers lukasik2023-table2",
        "Table 3": "robbench papers lukasik2023-table3",
        "Figure 1": "robbench papers lukasik2023-figure1; robbench plot proxies --out FILE",
        "Figure 2": "robbench papers lukasik2023-figure2; robbench plot importance clean pgd@1/255 clean+pgd@1/255 --split random --by impurity --out FILE",
        "Figure 3": "as Figure 2, with --dataset cifar100; missing: the proxies of cifar100 but for an early version of 725 cells",
        "Figure 4": "as Figure 2, with --dataset ImageNet16-120; missing here: its robust accuracies, which robbench import jung2023 reads where they are",
        "Figure 5": "robbench papers lukasik2023-figure5; robbench plot importance … --without jacov --out FILE",
        "Figure 6": "as Figure 1, with --dataset; what is missing is as for Figures 3 and 4",
        "Figure 7": "robbench papers lukasik2023-figure7; robbench plot importance clean pgd@1/255 clean+pgd@1/255 --split random --out FILE",
    },
    "Ha, Kim, Hwang (NeurIPS 2023)": {
        "Table 1": "robbench papers ha2023-table1; missing: cw, deepfool, spsa and lgv of adversarially trained networks",
        "Table 2": "robbench papers ha2023-table2",
        "Table 3": f"robbench reported --table ha2023-table3; {DARTS_TRAINED}",
        "Table 4": f"robbench reported --table ha2023-table4; {DARTS_TRAINED}",
        "Table 5": f"{DARTS_TRAINED}; of NAS-Bench-201, robbench top croze_features_parameters (or another of CRoZe's parts and products: croze_features,"
        " croze_features_gradients, croze_parameters_gradients, croze) names the first cell of a store that has it",
        "Table 6": "robbench papers ha2023-table6",
        "Table 7": "robbench papers ha2023-table7; it takes a store that has these proxies; of cells drawn from all, after standard training: python benchmarks/fidelity.py",
        "Table 8": "as Table 5, its first cell and its first three",
        "Table 9": "robbench papers ha2023-table9; of cells drawn from all, cifar10: python benchmarks/fidelity.py",
        "Table 10": "robbench papers ha2023-table10; the paper's numbers are missing in its text",
        "Table 11": 'python benchmarks/fidelity.py run --parts "of every cell" "kaiming of every cell" "xavier of every cell"; python benchmarks/fidelity.py table; docs/fidelity.md;'
        " of single cells: robbench proxies ARCH… --dataset cifar10 --proxy croze --init kaiming; missing: cw, deepfool, spsa and lgv of adversarially trained networks",
        "Table 12": "robbench papers ha2023-table12; from Python: robbench.analysis.ensemble",
        "Table 13": f"robbench reported --table ha2023-table13; {DARTS_TRAINED}",
        "Figure 1": ILLUSTRATION,
        "Figure 2": DARTS_TRAINED,
        "Figure 3": "robbench plot search fgsm@8/255 random evolution --out FILE; with CRoZe: robbench search random-warmup fgsm@8/255 --proxy croze --pool 3000,"
        " and robbench search warmup or warmup-move fgsm@8/255 --proxy croze --pool 3000 --sample 50",
        "Figure 4": TRAINED_HERE,
        "Figure 5": TRAINED_HERE,
        "Figure 6": WEIGHTS,
        "Figure 7": TRAINED_HERE,
        "Algorithm 1": "robbench proxies ARCH… --dataset cifar10 --proxy croze_equations; as released: --proxy croze (docs/fidelity.md)",
    },
    "Jung, Lukasik, Keuper (ICLR 2023)": {
        "Table 1": "robbench papers jung2023-table1",
        "Table 2": "robbench build plan FOLDER --dataset cifar10 --recipe nb201-200 --evaluation published; mean_adversarial is over these levels without 255/255 of"
        " PGD, APGD and Square, as in section 3.2 and in the data",
        "Table 3": "robbench info",
        "Table 4": "robbench import jung2023 FOLDER --into STORE",
        "Figure 1": ILLUSTRATION,
        "Figure 2": "robbench plot boxes attacks --out FILE",
        "Figure 3": "robbench plot correlation clean fgsm@1/255 pgd@1/255 apgd-ce@1/255 square@1/255 … --out FILE",
        "Figure 4": "robbench plot boxes corruptions --out FILE",
        "Figure 5": "robbench plot correlation clean brightness@3 contrast@3 … --out FILE",
        "Figure 6": "robbench proxies ARCH… --dataset cifar10 --proxy jacob_fro_10x256 --proxy hessian_10x256 --batch-size 2560 --images train; or --images test; of random"
        " weights; of trained ones robbench_builders.proxies.score; the text does not say whether its Hessian is of the images or of the weights, for which there is"
        " hessian_weights_10x256; missing: the published weights of 6,466 networks, and a store of these values, of which the correlations would be",
        "Figure 7": "robbench plot top mean_adversarial --count nor_conv_3x3 2 --count nor_conv_1x1 0 --out FILE;"
        " robbench papers jung2023-two-3x3: the 408 networks and their range",
        "Figure 8": "robbench show 3365: the class of cells 991 and 3365 is one",
        "Figure 9": ILLUSTRATION,
        "Figure 10": "robbench import jung2023 FOLDER --into STORE",
        "Figure 11": "as Figure 10",
        "Figure 12": "as Figure 10",
        "Figure 13": "robbench papers jung2023-figure13; robbench plot classes clean --measure confidence_label --out FILE; missing here: the published confidences",
        "Figure 14": "robbench papers jung2023-figure14; robbench plot confidences fgsm --label 0 --out FILE; missing here: as Figure 13",
        "Figure 15": "robbench papers jung2023-figure15; robbench plot confidences fgsm --out FILE; missing here: as Figure 13",
        "Figure 16": "robbench papers jung2023-figure16; robbench plot classes clean --out FILE",
        "Figure 17": "robbench papers jung2023-figure17",
        "Figure 18": "python examples/contact_sheet.py",
        "Figure 19": "robbench plot boxes attacks --dataset cifar100 --out FILE",
        "Figure 20": "robbench plot boxes attacks --dataset ImageNet16-120 --out FILE; missing here: its accuracies, which robbench import jung2023 reads where they are",
        "Figure 21": "robbench plot boxes corruptions --out FILE",
        "Figure 22": "robbench plot boxes corruptions --dataset cifar100 --out FILE",
        "Figure 23": "as Figure 3, with --dataset cifar100",
        "Figure 24": "as Figure 3, with --dataset ImageNet16-120; missing here: as Figure 20",
        "Figure 25": "as Figure 5, at severity 4, with --dataset cifar100",
        "Figure 26": "robbench papers jung2023-best; robbench plot best clean mean_adversarial mean_corruption --out FILE",
        "Figure 27": "robbench plot scatter clean mean_adversarial --out FILE; robbench plot scatter clean mean_corruption --out FILE",
        "Figure 28": "robbench papers jung2023-two-3x3; robbench plot scatter kernel_parameters mean_adversarial --direction kernel_parameters=min --out FILE",
        "Figure 29": "as Figure 7, and with mean_corruption",
        "Figure 30": "robbench neighbors 13714 mean_adversarial; robbench neighbors 13714 mean_corruption",
        "Algorithm 1": "robbench build plan FOLDER --weights DIR, run, merge; robbench build evaluate CHECKPOINT…; both in docs/weights.md",
    },
    "Yang et al. (2025)": {
        "Table 1": ILLUSTRATION,
        "Table 2": f"robbench reported --table yang2025-table2; {DARTS_TRAINED}",
        "Table 3": f"robbench reported --table yang2025-table3; {DARTS_TRAINED}",
        "Table 4": f"robbench reported --table yang2025-table4; robbench build transfer CHECKPOINT… --dataset cifar10 --data PATH --out FILE; {DARTS_SEARCHED}; {DARTS_TRAINED}",
        "Table 5": "robbench reported --table yang2025-table5; as Table 4, with --dataset cifar100",
        "Table 6": "robbench reported --table yang2025-table6; missing: trained networks of DARTS, and ImageNet",
        "Table 7": "robbench papers yang2025-table7; by R-Score itself: python benchmarks/trnas.py run; python benchmarks/trnas.py table; docs/fidelity.md",
        "Table 8": "robbench papers yang2025-table8; python benchmarks/tiny_robustbench.py run --of drawn; python benchmarks/tiny_robustbench.py table; docs/darts.md has"
        " what was run; seconds of single proxies: python benchmarks/proxies.py",
        "Figure 1": DARTS_TRAINED,
        "Figure 2": ILLUSTRATION,
        "Figure 3": ILLUSTRATION,
        "Figure 4": "python benchmarks/tiny_robustbench.py run --of drawn --parts psi phi zcprob; python benchmarks/darts_best.py; docs/darts.md",
        "Figure 5": "as Figure 4",
        "Figure 6": "robbench plot architecture trnas --out FILE; the genotype of its released code",
        "Figure 7": "python benchmarks/tiny_robustbench.py run; python benchmarks/tiny_robustbench.py table; docs/darts.md",
        "Figure 8": f"{DARTS_SEARCHED}; {DARTS_TRAINED}",
        "Algorithm 1": "robbench search trnas METRIC params --direction params=min",
    },
}
"""Paper → its tables, figures and algorithms → the command, or what is missing."""
