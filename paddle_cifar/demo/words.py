"""The words of the page in English and Chinese; class names stay as CIFAR-100 has them."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "What is in the picture?",
        "intro": "A network trained on CIFAR-100 knows 100 classes and sees 32×32 pixels: "
        "the square in the middle of your picture.",
        "picture": "Drop, paste or take a picture",
        "examples": "Or try a drawn one (from the offline stand-in for CIFAR-100, no photographs):",
        "guesses": "Most probable classes",
        "superclass": "Superclass:",
        "seen": "What the network sees",
        "where": "What speaks for the first class",
        "refused": "This file cannot be used: it ",
        "gone": "The picture has been removed from the server; give it again.",
        "first_frame": "Only the first frame is looked at.",
    },
    "zh": {
        "title": "图片里是什么？",
        "intro": "在 CIFAR-100 上训练的网络认识 100 个类别；"
        "它看到的只有 32×32 像素：取图片正中的正方形，再缩小。",
        "picture": "拖入、粘贴图片，或拍一张照片",
        "examples": "或者试试程序画的示例（来自代替 CIFAR-100 的离线替代数据，不是照片）：",
        "guesses": "最可能的类别",
        "superclass": "超类：",
        "seen": "网络看到的图像",
        "where": "支持首选答案的区域",
        "refused": "无法使用此文件：",
        "gone": "图片已从服务器上删除，请重新上传。",
        "first_frame": "只看第一帧。",
    },
}

# How the reasons of ``prediction/images.py`` begin, and what a Chinese page says instead.
REASONS = {
    "is empty": "文件是空的",
    "is larger than": "文件太大（超过 32 MB）",
    "is not a picture": "这不是图片（可读取 PNG、JPEG、WebP、BMP、GIF 和 TIFF）",
    "is damaged or cut off": "图片已损坏或不完整",
    "has too many pixels": "像素太多（超过五千万），请先缩小",
    "has no pixels": "图片没有像素",
    "has colours": "颜色模式无法转换，请另存为 PNG",
}


def refusal(reason: str, language: str) -> str:
    """What is said of a file that cannot be used; ``reason`` is what ``prediction.images`` says of it."""
    if language == "zh":
        reason = next((words for begins, words in REASONS.items() if reason.startswith(begins)), reason)
    return WORDS[language]["refused"] + reason
