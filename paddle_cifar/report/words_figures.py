"""What stands in figures and tables: key -> (English, Chinese)."""

from __future__ import annotations

FIGURE_WORDS: dict[str, tuple[str, str]] = {
    # axes and legends
    "epoch": ("epoch", "轮次"),
    "loss": ("loss", "损失"),
    "accuracy": ("accuracy", "准确率"),
    "loss_axis": ("cross-entropy (nats)", "交叉熵（奈特）"),
    "accuracy_axis": ("top-1 accuracy", "Top-1 准确率"),
    "other_accuracies_axis": ("top-5 and superclass accuracy", "Top-5 与超类准确率"),
    "accuracy_unseen": ("accuracy on unseen images", "未见过的图像上的准确率"),
    "top1_line": ("top-1", "Top-1"),
    "top5_line": ("top-5", "Top-5"),
    "coarse_line": ("superclass", "超类"),
    "rate_axis": ("learning rate", "学习率"),
    "train_images": ("training images", "训练图像"),
    "test_images": ("test images", "测试图像"),
    "val_images": ("validation images", "验证图像"),
    "gap": ("gap to confidence", "与置信度之差"),
    "perfectly_calibrated": ("perfect calibration", "完美校准"),
    "confidence_axis": ("confidence: probability of the prediction", "置信度：预测类别的概率"),
    "share_of_images": ("share of images", "图像占比"),
    "recall": ("recall", "召回率"),
    "precision": ("precision", "精确率"),
    "false_positive_rate": ("false-positive rate", "假阳性率"),
    "true_positive_rate": ("true-positive rate", "真阳性率"),
    "chance": ("chance", "随机猜测"),
    "each_class": ("each class", "各类别"),
    "macro": ("macro: mean of classes", "宏平均：各类别的均值"),
    "micro": ("micro: all decisions", "微平均：全部判断"),
    "area_ap": ("area (average precision)", "面积（平均精度 AP）"),
    "area_auc": ("area under the curve", "曲线下面积"),
    "share_of_true_class": ("share of the true class", "占真实类别的比例"),
    "predicted": ("predicted", "预测"),
    "true": ("true", "真实"),
    # titles of figures: what to see
    "loss_title": (
        "Loss ends at {train:.2f} in training, {test:.2f} on unseen images",
        "损失：训练为 {train:.2f}，未见过的图像为 {test:.2f}",
    ),
    "accuracy_title_above": (
        "{test:.1f} % of unseen images right; training is {gap:.1f} points above",
        "未见过的图像准确率 {test:.1f} %，训练高出 {gap:.1f} 个百分点",
    ),
    "accuracy_title_below": (
        "{test:.1f} % of unseen images right; training is {gap:.1f} points below",
        "未见过的图像准确率 {test:.1f} %，训练低 {gap:.1f} 个百分点",
    ),
    "other_accuracies_title": (
        "Among five guesses {top5:.1f} % are right, by superclass {coarse:.1f} %",
        "前五个猜测的准确率为 {top5:.1f} %，按超类为 {coarse:.1f} %",
    ),
    "rate_title": ("Learning rate, {peak:.3g} at its highest", "学习率，最高 {peak:.3g}"),
    "over_title": (
        "Over-confident: {confidence:.1f} % sure, {accuracy:.1f} % right (ECE {ece:.1f} %)",
        "过于自信：平均置信度 {confidence:.1f} %，准确率 {accuracy:.1f} %（ECE {ece:.1f} %）",
    ),
    "under_title": (
        "Under-confident: {confidence:.1f} % sure, {accuracy:.1f} % right (ECE {ece:.1f} %)",
        "不够自信：平均置信度 {confidence:.1f} %，准确率 {accuracy:.1f} %（ECE {ece:.1f} %）",
    ),
    "calibrated_title": (
        "Well calibrated: {confidence:.1f} % sure, {accuracy:.1f} % right (ECE {ece:.1f} %)",
        "校准良好：平均置信度 {confidence:.1f} %，准确率 {accuracy:.1f} %（ECE {ece:.1f} %）",
    ),
    "pr_title": (
        "Easiest: {best} (AP {high:.2f}); hardest: {worst} ({low:.2f})",
        "最易：{best}（AP {high:.2f}）；最难：{worst}（{low:.2f}）",
    ),
    "pr_title_none": ("Precision over recall", "精确率与召回率"),
    "roc_title": (
        "Easiest: {best} (AUC {high:.3f}); hardest: {worst} ({low:.3f})",
        "最易：{best}（AUC {high:.3f}）；最难：{worst}（{low:.3f}）",
    ),
    "roc_title_none": ("True positives over false positives", "真阳性率与假阳性率"),
    "coarse_title": (
        "Most often, {true} are taken for {predicted}: {count} of {total} images (cells in %)",
        "最常见的混淆：{true} 被认作 {predicted}，{total} 张中有 {count} 张（单元格为百分比）",
    ),
    "fine_title": (
        "{within:.0f} % of the errors stay inside the right superclass: the blocks along the diagonal",
        "{within:.0f} % 的错误仍落在正确的超类之内，即对角线上的方块",
    ),
    "confusion_none": ("Not a single image is wrong", "没有一张图像被认错"),
    "confused_title": (
        "Classes that are mixed up most, the surest mistakes first",
        "最易混淆的类别，最有把握的错误在前",
    ),
    "missed_title": (
        "The images with the highest loss: true class → prediction",
        "损失最高的图像：真实类别 → 预测",
    ),
    "overlaid_loss_title": ("Loss on unseen images", "未见过的图像上的损失"),
    "overlaid_accuracy_title": ("Accuracy on unseen images", "未见过的图像上的准确率"),
    "scores_title": ("{run} has the lowest error: {error:.2f} %", "{run} 的错误率最低：{error:.2f} %"),
    "pair_line": (
        "{true} → {predicted}\n{count} of {total} images",
        "{true} → {predicted}\n{total} 张中的 {count} 张",
    ),
    # scores
    "top1_error": ("top-1 error", "Top-1 错误率"),
    "top5_error": ("top-5 error", "Top-5 错误率"),
    "mAP": ("mAP", "mAP"),
    "macro_f1": ("macro F1", "宏平均 F1"),
    "ece": ("calibration error (ECE)", "校准误差（ECE）"),
    "coarse_accuracy": ("superclass accuracy", "超类准确率"),
}
