"""The words of the page in English and Chinese; class names stay as CIFAR-100 has them."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "What is in the picture?",
        "intro": "A network trained on CIFAR-100 knows 100 classes and sees 32×32 pixels: "
        "the square in the middle of your picture.",
        "picture": "Drop, paste or take a picture",
        "guesses": "Most probable classes",
        "superclass": "Superclass:",
        "seen": "What the network sees",
        "where": "What speaks for the first class",
        "refused": "This file cannot be used: it",
        "first_frame": "Only the first frame is looked at.",
    },
    "zh": {
        "title": "图片里是什么？",
        "intro": "在 CIFAR-100 上训练的网络认识 100 个类别，只看 32×32 像素：图片正中的正方形。",
        "picture": "拖入、粘贴或拍摄图片",
        "guesses": "最可能的类别",
        "superclass": "大类：",
        "seen": "网络看到的图像",
        "where": "支持第一个类别的区域",
        "refused": "无法使用此文件：",
        "first_frame": "只看第一帧。",
    },
}
