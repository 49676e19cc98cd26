"""Losses that see several clusters in a class (Rippel et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lbray.losses.k_means import k_means
from lbray.losses.latent_loss import LatentLoss
from lbray.losses.parameters import whole


class ClusteredLoss(LatentLoss):
    """A loss whose samples belong to one of K clusters of their class.

    The clusters' centroids are found by k-means in each class's training latents, anew before each
    epoch, and say only which cluster a sample belongs to: the one of its class whose centroid is
    nearest. Until there are centroids, each class is one cluster.

    Args:
        clusters: K, from 1. With 1 no centroids are needed.
    """

    centroids: Tensor | None

    def __init__(self, clusters: int) -> None:
        super().__init__()
        self.clusters = whole("clusters", clusters, low=1)
        # a function of the weights, so that it need not be stored
        self.register_buffer("centroids", None, persistent=False)

    @property
    def wants_refresh(self) -> bool:
        """See the base class."""
        return self.clusters > 1

    def check_training_set(self, class_sizes: Mapping[str, int]) -> None:
        """See the base class."""
        smallest = min(class_sizes, key=lambda name: class_sizes[name])
        if self.clusters > class_sizes[smallest]:
            raise ValueError(
                f"clusters is {self.clusters}, but must be at most {class_sizes[smallest]}, the "
                f"number of training images of class '{smallest}'"
            )

    def refresh(self, latents: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        """Find the centroids [C, K, d] of the classes 0 … C − 1 in training latents.

        Raises:
            ValueError: a class has fewer samples than clusters.
        """
        width = self.clusters, latents.shape[1]
        self.centroids = torch.stack(
            [
                k_means(latents[members], self.clusters, generator)
                if (members := labels == label).any()
                else latents.new_zeros(width)
                for label in range(int(labels.amax()) + 1)
            ]
        )

    def clusters_of(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The cluster [B] of each sample; no two classes share one."""
        if self.centroids is None:
            return labels
        classes, clusters, dimensions = self.centroids.shape
        centroids = self.centroids.to(latents.dtype).view(-1, dimensions)
        origin = centroids.mean(dim=0)  # near to the points, so that products keep their digits
        points, centroids = latents.detach() - origin, centroids - origin
        products = torch.addmm(centroids.square().sum(dim=1), points, centroids.T, alpha=-2)
        of_each_class = products.view(-1, classes, clusters)
        own = of_each_class.gather(1, labels[:, None, None].expand(-1, 1, clusters)).squeeze(1)
        return labels * clusters + own.argmin(dim=1)
