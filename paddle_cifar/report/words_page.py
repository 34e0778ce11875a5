"""What stands on the pages around the figures: key -> (English, Chinese)."""

from __future__ import annotations

PAGE_WORDS: dict[str, tuple[str, str]] = {
    "report_of": ("Report: {name}", "实验报告：{name}"),
    "lead": (
        "{model} on {data}, {images:,} test images, weights after epoch {epochs} ({which} checkpoint).",
        "{model}，{data}，{images:,} 张测试图像，第 {epochs} 轮之后的权重（检查点：{which}）。",
    ),
    "stand_in": ("a drawn stand-in (not CIFAR-100)", "程序绘制的替代数据（不是 CIFAR-100）"),
    "part_only": (
        "Only the first {images:,} of {total:,} test images were used (--limit-steps).",
        "只用了 {total:,} 张测试图像中的前 {images:,} 张（--limit-steps）。",
    ),
    "unfinished": ("This run is not finished yet.", "该训练尚未完成。"),
    "curves": ("How the training went", "训练过程"),
    "curves_note": (
        "Both curves are plain cross-entropy or accuracy over all images; training images are counted "
        "as they are trained on: augmented, if at all, and while the weights still change.",
        "两条曲线均为全部图像上的交叉熵（不含标签平滑）或准确率；训练图像按训练时的样子统计：若有增强则经过增强，且权重仍在更新。",
    ),
    "no_history": ("There is no history.csv in this run.", "该训练没有 history.csv。"),
    "settings": ("Configuration", "配置"),
    "setting": ("setting", "设置"),
    "value": ("value", "取值"),
    "meaning": ("meaning", "含义"),
    "machine": ("Time and machine", "时间与机器"),
    "reliability": ("Can its confidence be trusted?", "置信度可信吗？"),
    "reliability_note": (
        "Images in {bins} bins of equal width by confidence. The calibration error is the mean distance "
        "between confidence and accuracy, weighted by the images in each bin.",
        "按置信度分为 {bins} 个等宽区间。校准误差是各区间置信度与准确率之差的绝对值按图像数加权的平均。",
    ),
    "confusion": ("What is taken for what", "什么被认作什么"),
    "confusion_note": (
        "Rows are true classes, columns predictions; shades follow the square root of the share. "
        "Point at a cell to read it.",
        "行为真实类别，列为预测；颜色深浅对应占比的平方根。将鼠标移到单元格上可查看数值。",
    ),
    "pairs": ("Most confused pairs", "最易混淆的类别对"),
    "pairs_note": (
        "By the number of mistakes; within a pair the most confident first.",
        "按错误数量排序；每对之内最有把握的在前。",
    ),
    "missed": ("Images with the highest loss", "损失最高的图像"),
    "missed_note": (
        "A blind guess costs {threshold:.1f} nats. Some of these are hard to name for people too.",
        "给每个类别相同的概率时，损失为 {threshold:.1f} 奈特。其中一些图像人也难以辨认。",
    ),
    "areas": ("Precision, recall and ROC", "精确率、召回率与 ROC"),
    "areas_note": (
        "One class against all others, images ranked by the class's probability. Micro counts every "
        "decision once, macro every class once; the macro areas are the means of the classes' areas.",
        "每个类别对其余所有类别，图像按该类别的概率排序。"
        "微平均对每次判断计一次，宏平均对每个类别计一次；宏平均面积为各类别面积的均值。",
    ),
    "show_class": ("Show a class:", "显示类别："),
    "no_class": ("none", "无"),
    "classes": ("Every class", "各类别"),
    "superclasses": ("Every superclass", "各超类"),
    "class": ("class", "类别"),
    "superclass": ("superclass", "超类"),
    "images": ("images", "图像数"),
    "table_note": (
        "Click a heading to sort; click a row to draw its curves above. ",
        "点击表头可排序，点击一行可在上方画出其曲线。",
    ),
    "coarse_note": (
        "The prediction is the superclass of the predicted class; for AP and AUC the probabilities of its "
        "five classes are added.",
        "预测取所预测类别所属的超类；计算 AP 与 AUC 时将其五个类别的概率相加。",
    ),
    "made_with": (
        "Made by paddle_cifar {version}; measures by scikit-learn {sklearn}. This file opens offline.",
        "由 paddle_cifar {version} 生成；各项指标由 scikit-learn {sklearn} 计算。本文件可离线打开。",
    ),
    # facts about the run
    "minutes": ("minutes", "分钟"),
    "epochs": ("epochs", "轮数"),
    "images_per_second": ("training images per second", "每秒训练图像数"),
    "parameters": ("parameters", "参数量"),
    "arithmetic": ("arithmetic of this report", "本报告所用的计算引擎与精度"),
    "command": ("command", "命令"),
    "data_sha256": ("SHA-256 of the data", "数据的 SHA-256"),
    # comparison
    "comparison": ("{count} runs compared", "{count} 次训练的比较"),
    "different_data": (
        "Beware: the runs were not all measured on the same test images.",
        "注意：各次训练所用的测试图像不尽相同。",
    ),
    "megabytes": ("MB", "MB"),
    "top1_percent": ("top-1 err %", "Top-1 错误率 %"),
    "top5_percent": ("top-5 err %", "Top-5 错误率 %"),
    "accuracy_percent": ("acc %", "准确率 %"),
    "mAP_percent": ("mAP %", "mAP %"),
    "run": ("run", "训练"),
    "network": ("network", "网络"),
    "incomplete": (
        "– : not known, since the run has no weights here and no report.json.",
        "–：未知，因为该训练在此没有权重，也没有 report.json。",
    ),
}
